// The small parts that pages are made of.
import { html, useEffect, useRef, useState, share, span, useLoad, api } from "./lib.js";
import { t, has } from "./words.js";

const PATHS = {
  live: "M3 12h4l3-8 4 16 3-8h4",
  inbox: "M3 13l3-8h12l3 8v6H3zM3 13h5l2 3h4l2-3h5",
  policy: "M7 3h8l4 4v14H7zM15 3v4h4M10 12h6M10 16h6",
  try: "M5 4h14v12H11l-4 4v-4H5z",
  traffic: "M4 20V10M10 20V4M16 20v-7M21 20H3",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1.5 1.5M17.5 17.5L19 19M5 19l1.5-1.5M17.5 6.5L19 5",
  moon: "M20 14.5A8.5 8.5 0 119.5 4a7 7 0 0010.5 10.5z",
  close: "M6 6l12 12M18 6L6 18",
  back: "M15 5l-7 7 7 7",
  copy: "M9 9h10v11H9zM5 15V4h10",
  out: "M15 4h4v16h-4M10 8l-4 4 4 4M6 12h10",
  check: "M5 12.5l4.5 4.5L19 7",
};

export const Icon = ({ name }) => html`
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;

export const verdictWord = (verdict) => (has(`verdict_${verdict}`) ? t(`verdict_${verdict}`) : verdict);

export const Verdict = ({ verdict }) => html`
  <span class="verdict" data-verdict=${verdict}><i aria-hidden="true"></i>${verdictWord(verdict)}</span>`;

export const Rule = ({ rule }) => (rule ? html`<code class="rule">${rule}</code>` : null);

export function Score({ value, low, high }) {
  const percent = Math.round(value * 100);
  return html`
    <span class="score" title=${t("score_hint")}>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="6" />
        <rect class="fill" width=${Math.max(percent, 1)} height="6" data-off=${value >= (high ?? 0.7)} />
        ${low !== undefined && html`<rect class="tick" x=${low * 100} width="0.8" height="6" />`}
        ${high !== undefined && html`<rect class="tick" x=${high * 100} width="0.8" height="6" />`}
      </svg>
      <span class="number">${value.toFixed(2)}</span>
    </span>`;
}

export const Empty = ({ title, children }) => html`
  <div class="state"><p class="state-title">${title}</p>${children && html`<p>${children}</p>`}</div>`;

export const Failed = ({ error, retry }) => html`
  <div class="state failed" role="alert">
    <p class="state-title">${t("failed")}</p><p>${error.message}</p>
    ${retry && html`<button type="button" onClick=${retry}>${t("try_again")}</button>`}
  </div>`;

export const Loading = ({ lines = 5 }) => html`
  <div class="loading" role="status"><span class="hidden">${t("loading")}</span>
    ${Array.from({ length: lines }, (_, n) => html`<div class="bone" key=${n}></div>`)}
  </div>`;

// A load's three faces; `children` draws the value.
export const Shown = ({ load, lines, children }) => {
  if (load.value === null) {
    return load.error ? html`<${Failed} error=${load.error} retry=${load.reload} />` : html`<${Loading} lines=${lines} />`;
  }
  return html`${load.error && html`<p class="stale" role="status">${t("stale")}: ${load.error.message}</p>`}${children(load.value)}`;
};

export function Copy({ text, label }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`
    <button type="button" class="quiet" onClick=${copy}>
      <${Icon} name=${done ? "check" : "copy"} /><span aria-live="polite">${done ? t("copied") : label ?? t("copy")}</span>
    </button>`;
}

export const Snippet = ({ text, children }) => html`
  <div class="snippet"><pre tabindex="0"><code>${text}</code></pre><div class="row"><${Copy} text=${text} />${children}</div></div>`;

export const Field = ({ label, children }) => html`<label class="field"><span>${label}</span>${children}</label>`;

export function PolicyPick({ value, set, all }) {
  const policies = useLoad(() => api("policies"), []);
  const list = policies.value?.policies ?? [];
  useEffect(() => { if (!all && !value && list.length) set(list[0].name); }, [list.length, value]);
  return html`
    <${Field} label=${t("business")}>
      <select value=${value} onChange=${(event) => set(event.target.value)}>
        ${all && html`<option value="">${t("all_businesses")}</option>`}
        ${list.map((one) => html`<option key=${one.name} value=${one.name} selected=${one.name === value}>${one.business}</option>`)}
      </select>
    <//>`;
}

const Figure = ({ label, value, note, tone }) => html`
  <div class="figure" data-tone=${tone}><dt>${label}</dt><dd>${value}</dd>${note && html`<dd class="note">${note}</dd>`}</div>`;

// The four that say at a glance whether the business is safe.
export function Headline({ figures }) {
  const head = figures.headline;
  return html`
    <dl class="headline" aria-label=${t("headline")}>
      <${Figure} label=${t("contained")} value=${share(head.contained)} note=${t("contained_note")} />
      <${Figure} label=${t("escalated")} value=${share(head.escalated)} note=${t("escalated_note")} />
      <${Figure} label=${t("waiting_now")} value=${head.waiting}
        note=${head.waiting ? t("oldest", { age: span(head.oldest) }) : t("nobody_waits")}
        tone=${figures.overdue ? "late" : ""} />
      <${Figure} label=${t("blocked")} value=${share(head.blocked)} note=${t("blocked_note")} />
    </dl>`;
}

// The steps of a decision, in the order they ran.
export const Steps = ({ steps }) => html`
  <div class="scroll" tabindex="0" role="region" aria-label=${t("steps")}>
  <table class="steps">
    <caption class="hidden">${t("steps")}</caption>
    <thead><tr><th scope="col">${t("stage")}</th><th scope="col">${t("outcome")}</th><th scope="col">${t("found")}</th>
      <th scope="col" class="right">${t("score")}</th><th scope="col" class="right">ms</th></tr></thead>
    <tbody>${steps.map((step, n) => html`
      <tr key=${n} data-check=${step.check}>
        <th scope="row">${step.stage}</th>
        <td><span class="check" data-check=${step.check}>${step.check.replace("_", " ")}</span>${step.shadow ? html` <span class="tag">${t("shadow")}</span>` : ""}</td>
        <td>${step.findings.map((f, k) => html`<span key=${k} class="finding">${typeof f === "string" ? f : `${f.detector}.${f.code}`}</span> `)}</td>
        <td class="right">${step.score === null ? "" : step.score.toFixed(2)}</td>
        <td class="right">${step.ms.toFixed(1)}</td>
      </tr>`)}
    </tbody>
  </table></div>`;

// Beside the list on a wide screen, over it on a narrow one.
export function Panel({ title, close, children, empty }) {
  const head = useRef(null);
  useEffect(() => { if (title) head.current?.focus({ preventScroll: true }); }, [title]);
  return html`
    <section class="panel" data-open=${Boolean(title)} aria-label=${title ?? t("details")}>
      ${title ? html`
        <header class="panel-head">
          <button type="button" class="quiet icon-only" onClick=${close} aria-label=${t("close")}><${Icon} name="close" /></button>
          <h2 ref=${head} tabindex="-1">${title}</h2>
        </header>
        <div class="panel-body">${children}</div>` : html`<div class="panel-empty">${empty}</div>`}
    </section>`;
}
