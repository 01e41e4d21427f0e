// Inbox: who waits for a person; one case opened has all that answering needs.
import {
  html, useEffect, useRef, useState, api, clock, colleague, go, keep, kept, moment, span, useFeed, useKeys, useLoad, useNow,
} from "../lib.js";
import { t } from "../words.js";
import { Empty, Field, Icon, Panel, Rule, Score, Shown } from "../parts.js";

// How old a case is, beside what the channel promises.
function Age({ one, skew }) {
  const now = useNow() + skew;
  const age = now - one.opened;
  const used = one.sla ? Math.min(1, age / one.sla) : 0;
  const late = one.sla && one.status === "open" && age > one.sla;
  return html`
    <span class="age" data-late=${Boolean(late)}>
      <span>${span(age)}${one.sla ? html` <span class="dim">/ ${span(one.sla)}</span>` : ""}</span>
      ${one.sla && html`<svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="4" /><rect class="fill" width=${used * 100} height="4" /></svg>`}
      ${late && html`<span class="tag late">${t("late")}</span>`}
    </span>`;
}

function Row({ one, chosen, skew }) {
  return html`
    <li>
      <button type="button" class="item" aria-current=${chosen ? "true" : undefined} onClick=${() => go("inbox", one.id)}>
        <span class="item-top"><span class="tag" data-status=${one.status}>${t(`status_${one.status}`)}</span>
          ${one.by && html`<span class="dim">${one.by}</span>`}<span class="grow"></span><${Age} one=${one} skew=${skew} /></span>
        <span class="item-text">${one.reason || html`<em>${t("no_words")}</em>`}</span>
        <span class="item-foot"><span>${one.business}</span><span>${one.channel}</span><${Rule} rule=${one.rule} />${one.asks > 1 ? html`<span>${t("asked_n", { n: one.asks })}</span>` : ""}</span>
      </button>
    </li>`;
}

const Talk = ({ lines }) => html`
  <ol class="talk" aria-label=${t("transcript")}>
    ${lines.map((line, n) => html`
      <li key=${n} data-who=${line.who}><span class="hidden">${t(`who_${line.who}`)}: </span>${line.text}
        <small>${line.who === "customer" ? "" : `${line.by || t(`who_${line.who}`)} · `}${clock(line.at)}</small></li>`)}
  </ol>`;

function Answer({ file, box, send, busy }) {
  const [text, setText] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    if (text.trim() && (await send(text))) setText("");
  };
  return html`
    <form class="answer" onSubmit=${submit}>
      ${file.suggestion && html`
        <div class="suggestion"><p class="dim">${t("suggestion")}</p><p>${file.suggestion}</p>
          <button type="button" class="quiet" onClick=${() => { setText(file.suggestion); box.current.focus(); }}>${t("use")}</button></div>`}
      <${Field} label=${t("your_reply")}>
        <textarea rows="3" maxlength="4096" ref=${box} value=${text} disabled=${!file.can_reply}
          onInput=${(event) => setText(event.target.value)} aria-describedby="reply-note"
          onKeyDown=${(event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event); }}></textarea>
      <//>
      <div class="row">
        <button class="primary" disabled=${busy || !file.can_reply || !text.trim()}>${t("send")}</button>
        <span id="reply-note" class="dim">${file.can_reply ? t("sent_as_person") : file.window_expires ? t("window_closed") : t("no_number")}</span>
      </div>
    </form>`;
}

function File({ id, changed, skew }) {
  const load = useLoad(() => api(`escalations/${id}`), [id], 4);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [note, setNote] = useState("");
  const box = useRef(null);
  const key = useRef(crypto.randomUUID());
  const act = async (what, body = {}) => {
    setBusy(true);
    setError(null);
    try {
      await api(`escalations/${id}/${what}`, "POST", { by: colleague(), ...body });
      setNote(t(`done_${what}`));
      await Promise.all([load.reload(), changed()]);
      return true;
    } catch (problem) {
      setError(problem);
      return false;
    } finally {
      setBusy(false);
    }
  };
  const send = async (text) => {
    const sent = await act("reply", { text, key: key.current });
    if (sent) key.current = crypto.randomUUID();
    return sent;
  };
  const status = load.value?.case.status;
  const open = status && status !== "resolved";
  useKeys({
    t: () => open && act("take"), r: () => box.current?.focus(),
    e: () => open && act("resolve"), b: () => open && act("hand-back"),
  }, [id, open]);
  return html`<${Shown} load=${load} lines=${8}>${(file) => html`
    <div class="row actions" role="group" aria-label=${t("actions")}>
      <button type="button" class=${status === "open" ? "primary" : ""} disabled=${busy || !open} onClick=${() => act("take")}>${t("take")}</button>
      <button type="button" disabled=${busy || !open} onClick=${() => act("resolve")}>${t("resolve")}</button>
      <button type="button" disabled=${busy || !open} onClick=${() => act("hand-back")}>${t("hand_back")}</button>
      ${error?.status === 409 && status === "taken" && html`<button type="button" onClick=${() => act("take", { over: true })}>${t("take_over")}</button>`}
    </div>
    <p class="note" role="status">${note}</p>
    ${error && html`<p class="wrong" role="alert">${error.message}</p>`}
    <dl class="facts">
      <dt>${t("customer")}</dt><dd>${file.who}</dd>
      <dt>${t("waits")}</dt><dd><${Age} one=${file.case} skew=${skew} /></dd>
      <dt>${t("status")}</dt><dd>${t(`status_${status}`)}${file.case.by ? `, ${file.case.by}` : ""}</dd>
      <dt>${t("why")}</dt><dd><${Rule} rule=${file.case.rule} /> <${Score} value=${file.case.score} /></dd>
      <dt>${t("language")}</dt><dd>${file.case.language || "–"}</dd>
      <dt>${t("window")}</dt><dd>${file.window_expires ? moment(file.window_expires) : "–"}</dd>
      <dt>${t("policy")}</dt><dd>${file.case.policy}</dd>
    </dl>
    ${file.summary && html`<h3>${t("summary")}</h3><p class="said">${file.summary}</p>`}
    <h3>${t("transcript")}</h3>
    ${file.transcript.length ? html`<${Talk} lines=${file.transcript} />` : html`<p class="dim">${t("no_transcript")}</p>`}
    ${file.draft && html`<h3>${t("refused_draft")}</h3><p class="said draft">${file.draft}</p>`}
    ${open && html`<${Answer} file=${file} box=${box} send=${send} busy=${busy} />`}`}<//>`;
}

export function Inbox({ at, cases }) {
  const [name, setName] = useState(kept("name", ""));
  const list = cases.value?.cases ?? [];
  const skew = cases.value ? cases.value.now - Date.now() / 1000 : 0;
  const sorted = [...list].sort((a, b) => (a.status === "open" ? 0 : 1) - (b.status === "open" ? 0 : 1) || a.opened - b.opened);
  const open = at.part;
  const step = (by) => {
    const now = sorted.findIndex((one) => one.id === open);
    const next = sorted[Math.min(sorted.length - 1, Math.max(0, now + by))];
    if (next) go("inbox", next.id);
  };
  useKeys({ j: () => step(1), k: () => step(-1), Escape: () => go("inbox") }, [sorted.map((one) => one.id).join(), open]);
  return html`
    <div class="page two">
      <div class="page-main">
        <header class="page-head"><h1>${t("page_inbox")}</h1>
          <${Field} label=${t("your_name")}><input value=${name} maxlength="60" autocomplete="nickname"
            onInput=${(event) => { setName(event.target.value); keep("name", event.target.value.trim()); }} /><//></header>
        <${Shown} load=${cases} lines=${4}>${() => (sorted.length ? html`
          <ul class="items" aria-label=${t("page_inbox")}>
            ${sorted.map((one) => html`<${Row} key=${one.id} one=${one} chosen=${one.id === open} skew=${skew} />`)}
          </ul>` : html`<${Empty} title=${t("nobody_waits")}>${t("nobody_waits_note")}<//>`)}<//>
        <footer class="page-foot"><span class="keys dim"><kbd>j</kbd> <kbd>k</kbd> ${t("keys_move")} · <kbd>t</kbd> ${t("take")} ·
          <kbd>r</kbd> ${t("keys_reply")} · <kbd>e</kbd> ${t("resolve")} · <kbd>b</kbd> ${t("hand_back")} · <kbd>Ctrl</kbd>+<kbd>Enter</kbd> ${t("send")}</span></footer>
      </div>
      <${Panel} title=${open ? t("case") : null} close=${() => go("inbox")} empty=${t("choose_case")}>
        ${open && html`<${File} key=${open} id=${open} changed=${cases.reload} skew=${skew} />`}
      <//>
    </div>`;
}
