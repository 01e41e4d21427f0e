// Live: decisions as they are made; one opened says why, and can be marked right or wrong.
import {
  html, useEffect, useMemo, useReducer, useRef, useState, api, clock, colleague, go, moment, useFeed, useKeys, useLoad,
} from "../lib.js";
import { t } from "../words.js";
import {
  Empty, Failed, Field, Headline, Icon, Loading, Panel, PolicyPick, Rule, Score, Shown, Snippet, Steps, Verdict, verdictWord,
} from "../parts.js";

const MOST = 500; // rows kept: what somebody scrolls back to; older ones are in the store
const DRAWN = 60; // rows in the page at once
const VERDICTS = ["allow", "rewrite", "redirect", "escalate", "throttle", "drop"];

// Rows newest first, each once.
function merge(state, act) {
  if (act.kind === "mark") {
    return { ...state, rows: state.rows.map((row) => (row.id === act.id ? { ...row, mark: act.mark } : row)) };
  }
  if (act.kind === "hold") return { ...state, held: act.held, rows: act.held ? state.rows : trim([...state.next, ...state.rows]), next: act.held ? state.next : [] };
  const known = new Set(state.rows.map((row) => row.id).concat(state.next.map((row) => row.id)));
  const fresh = act.rows.filter((row) => !known.has(row.id));
  if (act.kind === "past") return { ...state, rows: trim([...state.rows, ...fresh].sort((a, b) => b.at - a.at)) };
  const news = fresh.reverse();
  return state.held ? { ...state, next: trim([...news, ...state.next]) } : { ...state, rows: trim([...news, ...state.rows]) };
}

const trim = (rows) => (rows.length > MOST ? rows.slice(0, MOST) : rows);

const fits = (row, want) =>
  (!want.verdict || row.verdict === want.verdict) &&
  (!want.policy || row.business === want.policy) &&
  (!want.text || `${row.text ?? ""} ${row.rule ?? ""} ${row.topic ?? ""} ${row.id}`.toLowerCase().includes(want.text.toLowerCase()));

function Row({ row, open, chosen }) {
  return html`
    <li>
      <button type="button" class="item" aria-current=${chosen ? "true" : undefined} onClick=${() => open(row.id)}>
        <span class="item-top">
          <${Verdict} verdict=${row.verdict} />
          ${row.mark && html`<span class="tag" data-mark=${row.mark}>${t(`mark_${row.mark}`)}</span>`}
          <time class="dim">${clock(row.at)}</time>
        </span>
        <span class="item-text">${row.text || html`<em>${t("no_words")}</em>`}</span>
        <span class="item-foot"><span>${row.business}</span><${Rule} rule=${row.rule} /><${Score} value=${row.score ?? 0} /></span>
      </button>
    </li>`;
}

function Marking({ told, done }) {
  const [wrong, setWrong] = useState(false);
  const [expect, setExpect] = useState(told.row.verdict === "allow" ? "redirect" : "allow");
  const [error, setError] = useState(null);
  const put = async (body) => {
    try {
      await api(`decisions/${told.row.id}/mark`, body ? "PUT" : "DELETE", body ? { ...body, by: colleague() } : undefined);
      setWrong(false);
      done(body ? (body.right ? "right" : "wrong") : null);
    } catch (problem) {
      setError(problem);
    }
  };
  const mark = told.mark;
  return html`
    <section class="block">
      <h3>${t("is_it_right")}</h3>
      ${error && html`<p class="wrong" role="alert">${error.message}</p>`}
      ${mark ? html`
        <p>${mark.right ? t("marked_right") : t("marked_wrong", { verdict: verdictWord(mark.expect) })} <span class="dim">${mark.by}, ${moment(mark.at)}</span></p>
        <button type="button" onClick=${() => put(null)}>${t("unmark")}</button>` : html`
        <div class="row">
          <button type="button" onClick=${() => put({ right: true })}>${t("right")}</button>
          <button type="button" aria-expanded=${wrong} onClick=${() => setWrong(!wrong)}>${t("wrong")}</button>
        </div>
        ${wrong && html`
          <form class="row" onSubmit=${(event) => { event.preventDefault(); put({ right: false, expect }); }}>
            <${Field} label=${t("should_have_been")}>
              <select value=${expect} onChange=${(event) => setExpect(event.target.value)}>
                ${VERDICTS.filter((one) => one !== told.row.verdict).map((one) => html`<option key=${one} value=${one} selected=${one === expect}>${verdictWord(one)}</option>`)}
              </select>
            <//>
            <button class="primary">${t("save")}</button>
          </form>`}`}
      ${told.test ? html`<p class="dim">${t("as_test")}</p><${Snippet} text=${told.test} />` : html`<p class="dim">${t("no_test")}</p>`}
    </section>`;
}

function Explained({ id, marked }) {
  const load = useLoad(() => api(`decisions/${id}`), [id]);
  return html`<${Shown} load=${load} lines=${8}>${(told) => html`
    <p class="said">${told.row.text || html`<em>${t("no_words")}</em>`}</p>
    ${told.draft && html`<p class="dim">${t("refused_draft")}</p><p class="said draft">${told.draft}</p>`}
    <dl class="facts">
      <dt>${t("verdict")}</dt><dd><${Verdict} verdict=${told.row.verdict} /></dd>
      <dt>${t("rule")}</dt><dd>${told.row.rule ? html`<${Rule} rule=${told.row.rule} />` : t("none")}</dd>
      <dt>${t("score")}</dt><dd><${Score} value=${told.row.score} /></dd>
      ${told.row.topic && html`<dt>${t("topic")}</dt><dd>${told.row.topic}</dd>`}
      <dt>${t("policy")}</dt><dd><a href=${`#/policy/${told.row.business}`}>${told.row.policy}</a>${told.served ? "" : html` <span class="tag">${t("not_served")}</span>`}</dd>
      <dt>${t("when")}</dt><dd>${moment(told.row.at)}, ${told.row.overhead_ms.toFixed(1)} ms, ${told.row.surface}</dd>
      <dt>${t("decision")}</dt><dd><code>${told.row.id}</code></dd>
    </dl>
    ${told.line && html`<p class="dim">${told.file.split("/").pop()}:${told.line}</p><pre class="source" tabindex="0"><code>${told.source}</code></pre>`}
    <h3>${t("steps")}</h3>
    <${Steps} steps=${told.steps} />
    <div class="row"><button type="button" onClick=${() => go("try", told.row.business, { say: told.row.text ?? "" })}>${t("try_this")}</button></div>
    <${Marking} key=${id} told=${told} done=${(mark) => { marked(id, mark); load.reload(); }} />`}<//>`;
}

export function Live({ at }) {
  const [state, tell] = useReducer(merge, { rows: [], next: [], held: false });
  const [want, setWant] = useState({ verdict: "", policy: "", text: "" });
  const [most, setMost] = useState(DRAWN);
  const [line, setLine] = useState({ state: "connecting", missed: 0 });
  const past = useLoad(async () => {
    const told = await api("decisions?limit=100");
    tell({ kind: "past", rows: told.rows });
    return told;
  }, []);
  const figures = useLoad(() => api(`figures?policy=${encodeURIComponent(want.policy)}`), [want.policy], 5);
  const was = useRef("connecting");
  useFeed(({ rows, missed, state: now }) => {
    if (rows.length) tell({ kind: "news", rows });
    if (now === "live" && was.current === "lost") past.reload(); // what came in between
    was.current = now;
    setLine((old) => (old.state === now && !missed ? old : { state: now, missed: old.missed + missed }));
  });
  const rows = useMemo(() => state.rows.filter((row) => fits(row, want)), [state.rows, want]);
  const open = at.part;
  const step = (by) => {
    const now = rows.findIndex((row) => row.id === open);
    const next = rows[Math.min(rows.length - 1, Math.max(0, now + by))];
    if (next) go("live", next.id);
  };
  useKeys({ j: () => step(1), k: () => step(-1), Escape: () => go("live"), p: () => tell({ kind: "hold", held: !state.held }) }, [rows, open, state.held]);
  const set = (key) => (event) => { setMost(DRAWN); setWant({ ...want, [key]: event.target ? event.target.value : event }); };
  return html`
    <div class="page two">
      <div class="page-main">
        <header class="page-head">
          <h1>${t("page_live")}</h1>
          <span class="line" data-state=${line.state} role="status"><i aria-hidden="true"></i>${t(`line_${line.state}`)}</span>
        </header>
        ${figures.value ? html`<${Headline} figures=${figures.value} />` : figures.error ? html`<${Failed} error=${figures.error} />` : html`<${Loading} lines=${1} />`}
        <div class="filters" role="search">
          <${Field} label=${t("search")}><input type="search" value=${want.text} onInput=${set("text")} placeholder=${t("search_hint")} /><//>
          <${Field} label=${t("verdict")}>
            <select value=${want.verdict} onChange=${set("verdict")}>
              <option value="">${t("all_verdicts")}</option>
              ${VERDICTS.map((one) => html`<option key=${one} value=${one}>${verdictWord(one)}</option>`)}
            </select>
          <//>
          <${PolicyPick} all value=${want.policy} set=${set("policy")} />
          <button type="button" aria-pressed=${state.held} onClick=${() => tell({ kind: "hold", held: !state.held })}>
            ${state.held ? t("go_on", { n: state.next.length }) : t("hold")}</button>
        </div>
        ${line.missed > 0 && html`<p class="stale" role="status">${t("missed", { n: line.missed })}</p>`}
        ${past.error && !rows.length ? html`<${Failed} error=${past.error} retry=${past.reload} />`
          : past.loading && !rows.length ? html`<${Loading} lines=${6} />`
          : !rows.length ? html`<${Empty} title=${state.rows.length ? t("none_fits") : t("nothing_yet")}>${state.rows.length ? t("none_fits_note") : t("nothing_yet_note")}<//>`
          : html`
            <ul class="items" aria-label=${t("decisions")}>
              ${rows.slice(0, most).map((row) => html`<${Row} key=${row.id} row=${row} chosen=${row.id === open} open=${(id) => go("live", id)} />`)}
            </ul>
            ${rows.length > most && html`<button type="button" class="more" onClick=${() => setMost(most + DRAWN)}>${t("more", { n: rows.length - most })}</button>`}`}
        <footer class="page-foot">
          <span>${t("marks")}</span>
          <a href="/api/marks.yaml" download>${t("marks_yaml")}</a>
          <a href="/api/marks.jsonl" download>${t("marks_jsonl")}</a>
          <span class="keys dim"><kbd>j</kbd> <kbd>k</kbd> ${t("keys_move")} · <kbd>p</kbd> ${t("keys_hold")} · <kbd>Esc</kbd> ${t("keys_close")}</span>
        </footer>
      </div>
      <${Panel} title=${open ? t("why") : null} close=${() => go("live")} empty=${t("choose_decision")}>
        ${open && html`<${Explained} key=${open} id=${open} marked=${(id, mark) => tell({ kind: "mark", id, mark })} />`}
      <//>
    </div>`;
}
