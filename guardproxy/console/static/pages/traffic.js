// Traffic: the figures since this server started, from the counters Prometheus scrapes.
import uPlot from "../vendor/uPlot.mjs";
import { html, useEffect, useLayoutEffect, useRef, useState, api, count, took, useLoad } from "../lib.js";
import { t, locale } from "../words.js";
import { Empty, Headline, PolicyPick, Shown, Verdict, verdictWord } from "../parts.js";

const SERIES = ["allow", "rewrite", "redirect", "escalate", "throttle"];
const HEIGHT = 220;

// A canvas takes no variables and no light-dark(): ask the page what the colour comes to.
function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function columns(samples) {
  const at = samples.map((sample) => sample.at);
  return [at, ...SERIES.map((verdict) => samples.map((sample) => sample.decisions[verdict] ?? 0))];
}

function options(width) {
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  return {
    width, height: HEIGHT, cursor: { y: false }, legend: { live: false },
    scales: { y: { range: (_, __, most) => [0, Math.max(most, 4)] } },
    axes: [{ ...axis }, { ...axis, size: 36, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }],
    series: [{}, ...SERIES.map((verdict) => ({ label: verdictWord(verdict), stroke: colour(`--v-${verdict}`), width: 2, points: { show: false } }))],
  };
}

function Chart({ samples, dark }) {
  const box = useRef(null);
  const plot = useRef(null);
  useLayoutEffect(() => {
    const made = new uPlot(options(box.current.clientWidth), columns(samples), box.current);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: box.current.clientWidth, height: HEIGHT }));
    watch.observe(box.current);
    return () => { watch.disconnect(); made.destroy(); };
  }, [dark, locale()]);
  useEffect(() => { plot.current?.setData(columns(samples)); }, [samples]);
  return html`<div class="chart" ref=${box} role="img" aria-label=${t("chart")}></div>`;
}

function Bars({ title, counts, draw = (key) => key, empty }) {
  const rows = Object.entries(counts).slice(0, 12);
  const most = Math.max(1, ...rows.map(([, value]) => value));
  return html`
    <section class="card"><h2>${title}</h2>
      ${rows.length ? html`<table class="bars"><tbody>${rows.map(([key, value]) => html`
        <tr key=${key}><th scope="row">${draw(key)}</th>
          <td><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="fill" width=${(value / most) * 100} height="6" /></svg></td>
          <td class="right">${count(value)}</td></tr>`)}</tbody></table>` : html`<p class="dim">${empty ?? t("nothing_yet")}</p>`}
    </section>`;
}

const Clock = ({ label, spread }) => html`
  <tr><th scope="row">${label}</th><td class="right">${took(spread.half)}</td><td class="right">${took(spread.most)}</td><td class="right">${count(spread.count)}</td></tr>`;

const Quota = ({ figures }) => {
  const used = figures.service_used;
  const free = figures.service_free;
  return html`
    <section class="card"><h2>${t("quota")}</h2>
      ${free ? html`
        <p><strong>${count(used)}</strong> <span class="dim">${t("of_free", { n: count(free) })}</span></p>
        <svg class="quota" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="6" /><rect class="fill" data-off=${used > free} width=${Math.min(100, (used / free) * 100)} height="6" /></svg>
        <p class="dim">${used > free ? t("over_free") : t("quota_note")}</p>` : html`<p class="dim">${t("no_number_here")}</p>`}
      <h3>${t("tokens")}</h3>
      <dl class="facts"><dt>${t("tokens_llm")}</dt><dd>${count(figures.tokens)}</dd><dt>${t("tokens_judge")}</dt><dd>${count(figures.judge_tokens)}</dd></dl>
    </section>`;
};

export function Traffic({ dark }) {
  const [policy, setPolicy] = useState("");
  const load = useLoad(() => api(`figures?policy=${encodeURIComponent(policy)}`), [policy], 5);
  return html`
    <div class="page">
      <header class="page-head"><h1>${t("page_traffic")}</h1><${PolicyPick} all value=${policy} set=${setPolicy} /></header>
      <${Shown} load=${load} lines=${8}>${(figures) => html`
        <${Headline} figures=${figures} />
        ${!figures.store_up && html`<p class="banner" role="alert">${t("store_lost")}</p>`}
        ${figures.degraded && html`<p class="banner" role="alert">${t("stale_policy")}</p>`}
        <section class="card"><h2>${t("last_hour")}</h2>
          ${figures.samples.length > 1 ? html`<${Chart} samples=${figures.samples} dark=${dark} />` : html`<${Empty} title=${t("chart_soon")}>${t("chart_soon_note")}<//>`}</section>
        <div class="grid">
          <${Bars} title=${t("decisions")} counts=${figures.decisions} draw=${(key) => html`<${Verdict} verdict=${key} />`} />
          <${Bars} title=${t("rules")} counts=${figures.rules} draw=${(key) => html`<code class="rule">${key}</code>`} />
          <${Bars} title=${t("surfaces")} counts=${figures.surfaces} />
          <${Quota} figures=${figures} />
          <section class="card"><h2>${t("latency")}</h2>
            <table><thead><tr><th scope="col">${t("clock")}</th><th scope="col" class="right">p50</th><th scope="col" class="right">p95</th><th scope="col" class="right">n</th></tr></thead>
              <tbody><${Clock} label=${t("guard_itself")} spread=${figures.overhead} /><${Clock} label=${t("llm")} spread=${figures.upstream} /></tbody></table>
            <p class="dim">${t("latency_note")}</p></section>
          <${Bars} title=${t("upstream_outcomes")} counts=${figures.upstream_outcomes} />
        </div>
        <p class="dim">${t("since_start")} <a href="/metrics">/metrics</a></p>`}<//>
    </div>`;
}
