// Try: a phone to type on; each message gets a verdict, its reasons, and the line that tests it.
import { html, useEffect, useRef, useState, api, download, keep, kept, useLoad } from "../lib.js";
import { t } from "../words.js";
import { Empty, Field, Icon, PolicyPick, Rule, Score, Snippet, Steps, Verdict } from "../parts.js";

const BEFORE = 40; // lines the API takes as context

const contextOf = (lines) =>
  lines.filter((line) => line.told).flatMap((line) => (line.direction === "assistant"
    ? [{ role: "assistant", content: line.text }]
    : [{ role: "user", content: line.text, verdict: line.told.verdict },
       ...(line.told.reply ? [{ role: "assistant", content: line.told.reply }] : [])])).slice(-BEFORE);

function Bubble({ line, chosen, choose }) {
  const answer = line.direction === "assistant";
  return html`
    <li data-who=${answer ? "bot" : "customer"}>
      <span class="hidden">${t(answer ? "who_bot" : "who_customer")}: </span>${line.text}
      <small>${line.told ? html`<button type="button" class="link" aria-pressed=${chosen} onClick=${choose}><${Verdict} verdict=${line.told.verdict} /> ${t("why")}</button>`
        : line.error ? html`<span class="wrong">${line.error}</span>` : "…"}</small>
    </li>
    ${line.told && !answer ? html`<li data-who="bot" class="reply">${line.told.reply ?? html`<em>${t("model_answers")}</em>`}</li>` : ""}`;
}

const Why = ({ line, saved, save }) => {
  const told = line.told;
  return html`
    <p class="said">${line.text}</p>
    <dl class="facts">
      <dt>${t("verdict")}</dt><dd><${Verdict} verdict=${told.verdict} /></dd>
      <dt>${t("rule")}</dt><dd>${told.rule ? html`<${Rule} rule=${told.rule} />` : t("none")}</dd>
      <dt>${t("score")}</dt><dd><${Score} value=${told.score} low=${told.low} high=${told.high} /><span class="dim"> ${t("thresholds", { low: told.low.toFixed(2), high: told.high.toFixed(2) })}</span></dd>
      ${told.topic && html`<dt>${t("topic")}</dt><dd>${told.topic}</dd>`}
      <dt>${t("language")}</dt><dd>${told.language}</dd>
      <dt>${t("policy")}</dt><dd>${told.policy}</dd>
    </dl>
    ${told.line && html`<p class="dim break">${told.file.split("/").pop()}:${told.line}</p><pre class="source" tabindex="0"><code>${told.source}</code></pre>`}
    ${told.nearest.length > 0 && html`<h3>${t("nearest")}</h3>
      <ul class="plain near">${told.nearest.map((one, n) => html`<li key=${n}><span class="number">${one.likeness.toFixed(2)}</span> ${one.text}</li>`)}
        ${told.resembles && html`<li><span class="dim">${t("resembles")}</span> <code>${told.resembles}</code></li>`}</ul>`}
    <h3>${t("steps")}</h3>
    <${Steps} steps=${told.steps} />
    <h3>${t("save_as_test")}</h3>
    <${Snippet} text=${told.test.trim()}>
      <button type="button" disabled=${saved} onClick=${save}>${saved ? t("saved") : t("save_as_test")}</button>
    <//>`;
};

export function Try({ at }) {
  const [policy, setPolicy] = useState(at.part || kept("try-policy", ""));
  const [direction, setDirection] = useState("user");
  const [lines, setLines] = useState([]);
  const [chosen, setChosen] = useState(-1);
  const [tests, setTests] = useState(kept("tests", []));
  const [text, setText] = useState(at.query.get("say") ?? "");
  const log = useRef(null);
  useEffect(() => { log.current?.scrollTo({ top: log.current.scrollHeight }); }, [lines]);
  useEffect(() => { if (policy) keep("try-policy", policy); }, [policy]);
  const say = async (event) => {
    event.preventDefault();
    const said = text.trim();
    if (!said || !policy) return;
    const number = lines.length;
    const fill = (more) => setLines((old) => old.map((line, n) => (n === number ? { ...line, ...more } : line)));
    setLines([...lines, { text: said, direction }]);
    setText("");
    try {
      fill({ told: await api("try", "POST", { policy, text: said, direction, context: contextOf(lines) }) });
      setChosen(number);
    } catch (problem) {
      fill({ error: problem.message });
    }
  };
  const restart = () => { setLines([]); setChosen(-1); };
  const store = (next) => { setTests(next); keep("tests", next); };
  const line = lines[chosen];
  const yaml = `tests:\n${tests.map((one) => one.test).join("\n")}\n`;
  return html`
    <div class="page">
      <header class="page-head"><h1>${t("page_try")}</h1>
        <${PolicyPick} value=${policy} set=${(one) => { setPolicy(one); restart(); }} />
        <button type="button" onClick=${restart} disabled=${!lines.length}>${t("start_over")}</button></header>
      <p class="dim lead">${t("try_note")}</p>
      <div class="trying">
        <section class="phone" aria-label=${t("phone")}>
          <ol class="talk" ref=${log} tabindex="0" aria-live="polite" aria-label=${t("messages")}>
            ${lines.length ? lines.map((one, n) => html`<${Bubble} key=${n} line=${one} chosen=${n === chosen} choose=${() => setChosen(n)} />`)
              : html`<li class="hint">${t("try_hint")}</li>`}
          </ol>
          <form class="say" onSubmit=${say}>
            <${Field} label=${t("who_speaks")}>
              <select value=${direction} onChange=${(event) => setDirection(event.target.value)}>
                <option value="user">${t("who_customer")}</option><option value="assistant">${t("who_bot")}</option>
              </select><//>
            <div class="row"><input aria-label=${t("message")} value=${text} autocomplete="off" placeholder=${t("type_message")}
              onInput=${(event) => setText(event.target.value)} /><button class="primary" disabled=${!text.trim() || !policy}>${t("send")}</button></div>
          </form>
        </section>
        <section class="card why" aria-label=${t("why")}>
          ${line?.told ? html`<${Why} line=${line} saved=${tests.some((one) => one.test === line.told.test)} save=${() => store([...tests, { policy, test: line.told.test }])} />`
            : html`<${Empty} title=${t("why_empty")}>${t("why_empty_note")}<//>`}
        </section>
      </div>
      ${tests.length > 0 && html`
        <section class="card"><h2>${t("saved_tests", { n: tests.length })}</h2>
          <${Snippet} text=${yaml}>
            <button type="button" onClick=${() => download("tests.yaml", yaml, "application/yaml")}>${t("download")}</button>
            <button type="button" onClick=${() => store([])}>${t("clear")}</button>
          <//></section>`}
    </div>`;
}
