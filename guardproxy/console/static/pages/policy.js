// Policy: what the bot is for, as it is served now; its warnings, changes and tests.
import { html, useState, api, go, span, useLoad } from "../lib.js";
import { t } from "../words.js";
import { Empty, Failed, Icon, Loading, PolicyPick, Shown, Verdict } from "../parts.js";

const Subjects = ({ title, list, empty }) => html`
  <section class="card">
    <h2>${title}</h2>
    ${list.length ? html`<ul class="subjects">${list.map((one) => html`
      <li key=${one.key}><div class="row"><strong>${one.about}</strong><code class="rule">${one.key}</code>
        ${one.then !== "allow" && html`<${Verdict} verdict=${one.then} />`}${one.shadow ? html`<span class="tag">${t("shadow")}</span>` : ""}</div>
        ${one.examples.length > 0 && html`<p class="dim">${one.examples.map((line) => `“${line}”`).join("  ")}</p>`}</li>`)}</ul>`
      : html`<p class="dim">${empty}</p>`}
  </section>`;

const Ways = ({ policy }) => html`
  <section class="card">
    <h2>${t("ways")}</h2>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("ways")}><table>
      <thead><tr><th scope="col">${t("channel")}</th><th scope="col">${t("kind")}</th><th scope="col">${t("target")}</th><th scope="col">SLA</th><th scope="col">${t("now")}</th><th scope="col">${t("else")}</th></tr></thead>
      <tbody>${policy.ways.map((way) => html`<tr key=${way.id}><th scope="row">${way.id}</th><td>${way.kind}</td><td>${way.to || "–"}</td>
        <td>${way.sla ? span(way.sla) : "–"}</td><td>${way.open_now ? t("open") : t("closed")}</td><td>${way.otherwise ?? "–"}</td></tr>`)}</tbody>
    </table></div>
  </section>`;

const Limits = ({ policy }) => html`
  <section class="card">
    <h2>${t("limits")}</h2>
    ${policy.limits.length ? html`<ul class="plain">${policy.limits.map((one) => html`<li key=${one.id}><code class="rule">limits.${one.id}</code>
      ${t("limit_line", { max: one.max, of: t(`of_${one.of}`), span: span(one.seconds), per: t(`per_${one.per}`) })} <${Verdict} verdict=${one.then} /></li>`)}</ul>`
      : html`<p class="dim">${t("no_limits")}</p>`}
  </section>`;

function Tests({ name }) {
  const [state, setState] = useState({ value: null, error: null, loading: false });
  const run = async () => {
    setState({ value: null, error: null, loading: true });
    try {
      setState({ value: await api(`policies/${name}/tests`, "POST"), error: null, loading: false });
    } catch (error) {
      setState({ value: null, error, loading: false });
    }
  };
  const { value } = state;
  return html`
    <section class="card">
      <div class="row"><h2>${t("tests")}</h2><span class="grow"></span><button type="button" disabled=${state.loading} onClick=${run}>${t("run_tests")}</button></div>
      ${state.loading && html`<${Loading} lines=${3} />`}
      ${state.error && html`<${Failed} error=${state.error} retry=${run} />`}
      ${!value && !state.loading && !state.error && html`<p class="dim">${t("tests_note")}</p>`}
      ${value && html`
        <p role="status" class=${value.passed === value.cases.length ? "good" : "wrong"}>${t("passed", { n: value.passed, all: value.cases.length, share: Math.round(value.covered * 100) })}</p>
        ${value.untried.length > 0 && html`<p class="dim">${t("untried")}: ${value.untried.join(", ")}</p>`}
        <ul class="plain results">${value.cases.map((one) => html`
          <li key=${one.line} data-failed=${Boolean(one.problem)}><span class="dim">${one.line}</span> ${one.said}
            ${one.problem ? html`<p class="wrong">${one.problem}${one.todo ? ` (${t("known")}: ${one.todo})` : ""}</p>` : ""}</li>`)}</ul>`}
    </section>`;
}

const Changes = ({ policy }) => html`
  <section class="card">
    <h2>${policy.stale ? t("broken_title") : t("changes")}</h2>
    ${policy.stale && html`<pre class="wrong" tabindex="0">${policy.stale}</pre>`}
    ${policy.difference ? html`<pre class="diff" tabindex="0">${policy.difference.split("\n").map((line, n) => html`
      <span key=${n} data-line=${line[0] === "+" ? "new" : line[0] === "-" ? "old" : line[0] === "@" ? "place" : ""}>${line}\n</span>`)}</pre>`
      : html`<p class="dim">${t("no_changes")}</p>`}
  </section>`;

const Whole = ({ policy }) => html`
  ${policy.stale && html`<p class="banner" role="alert">${t("stale_policy")}</p>`}
  <section class="card about">
    <div><h2>${policy.business}</h2><p>${policy.does}</p></div>
    <dl class="facts">
      <dt>${t("revision")}</dt><dd><code>${policy.ref}</code></dd>
      <dt>${t("mode")}</dt><dd>${policy.shadow ? t("mode_shadow") : t("mode_enforce")}</dd>
      <dt>${t("languages")}</dt><dd>${policy.languages.join(", ")}</dd>
      <dt>${t("timezone")}</dt><dd>${policy.timezone}</dd>
      <dt>${t("file")}</dt><dd class="break">${policy.path}</dd>
    </dl>
  </section>
  <div class="grid">
    <${Subjects} title=${t("topics")} list=${policy.topics} empty=${t("none")} />
    <${Subjects} title=${t("refused")} list=${policy.refuse} empty=${t("none")} />
    <${Ways} policy=${policy} />
    <${Limits} policy=${policy} />
    <section class="card"><h2>${t("warnings")}</h2>${policy.warnings.length ? html`<ul class="plain">${policy.warnings.map((line, n) => html`<li key=${n} class="break">${line}</li>`)}</ul>` : html`<p class="dim">${t("no_warnings")}</p>`}</section>
    <${Tests} key=${policy.ref} name=${policy.name} />
  </div>
  <${Changes} policy=${policy} />
  <details class="card"><summary>${t("effective")}</summary>
    <pre class="effective" tabindex="0">${policy.effective.map((line, n) => html`<span key=${n}>${line.line}${line.origin ? html`<i>  # ${line.origin}</i>` : ""}\n</span>`)}</pre></details>`;

export function Policy({ at }) {
  const name = at.part;
  const load = useLoad(() => (name ? api(`policies/${encodeURIComponent(name)}`) : Promise.resolve(null)), [name], 10);
  return html`
    <div class="page">
      <header class="page-head"><h1>${t("page_policy")}</h1><${PolicyPick} value=${name} set=${(one) => go("policy", one)} /></header>
      <${Shown} load=${load} lines=${8}>${(policy) => html`<${Whole} policy=${policy} />`}<//>
    </div>`;
}
