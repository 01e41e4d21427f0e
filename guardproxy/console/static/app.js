// The shell: who is signed in, which page is shown, and the frame around it.
import {
  html, render, useEffect, useRef, useState, api, kept, keep, setCsrf, usePlace, useFeed, useLoad, whenSignedOut,
} from "./lib.js";
import { t, languages, language, speak } from "./words.js";
import { Icon, Failed } from "./parts.js";
import { SignIn } from "./pages/signin.js";
import { Live } from "./pages/live.js";
import { Inbox } from "./pages/inbox.js";
import { Policy } from "./pages/policy.js";
import { Try } from "./pages/try.js";
import { Traffic } from "./pages/traffic.js";

const PAGES = { live: Live, inbox: Inbox, policy: Policy, try: Try, traffic: Traffic };

function dress(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

const isDark = (theme) =>
  theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);

function Nav({ page, waiting }) {
  return html`
    <nav aria-label=${t("pages")}>
      ${Object.keys(PAGES).map((name) => html`
        <a key=${name} href=${`#/${name}`} aria-current=${page === name ? "page" : undefined}>
          <${Icon} name=${name} /><span>${t(`page_${name}`)}</span>
          ${name === "inbox" && waiting > 0 && html`
            <span class="badge"><span aria-hidden="true">${waiting}</span><span class="hidden">${t("waiting_n", { n: waiting })}</span></span>`}
        </a>`)}
    </nav>`;
}

function Tools({ theme, setTheme, setLanguage, out, signOut }) {
  const dark = isDark(theme);
  return html`
    <div class="tools">
      <label class="tongue"><span class="hidden">${t("language")}</span>
        <select value=${language()} onChange=${(event) => setLanguage(event.target.value)}>
          ${Object.entries(languages).map(([code, name]) => html`<option key=${code} value=${code} selected=${code === language()}>${name}</option>`)}
        </select>
      </label>
      <button type="button" class="quiet icon-only" aria-label=${dark ? t("light") : t("dark")}
        onClick=${() => setTheme(dark ? "light" : "dark")}><${Icon} name=${dark ? "sun" : "moon"} /></button>
      ${out && html`<button type="button" class="quiet icon-only" aria-label=${t("sign_out")} onClick=${signOut}><${Icon} name="out" /></button>`}
    </div>`;
}

// How many wait: told anew whenever somebody is handed over, and now and then.
function useWaiting() {
  const cases = useLoad(() => api("escalations"), [], 10);
  useFeed(({ rows }) => { if (rows.some((row) => row.verdict === "escalate")) cases.reload(); });
  return cases;
}

function Shell({ who, signOut }) {
  const at = usePlace();
  const [theme, setTheme] = useState(kept("theme", "auto"));
  const [, setTongue] = useState(language());
  const main = useRef(null);
  const first = useRef(true);
  const cases = useWaiting();
  const waiting = (cases.value?.cases ?? []).filter((one) => one.status === "open").length;
  const page = PAGES[at.page] ? at.page : "live";
  useEffect(() => { dress(theme); keep("theme", theme); }, [theme]);
  useEffect(() => {
    document.title = `${waiting ? `(${waiting}) ` : ""}${t(`page_${page}`)} · guardproxy`;
  });
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus();
  }, [page]);
  const setLanguage = (code) => { speak(code); setTongue(code); };
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>${t("skip")}</a>
    <div class="shell">
      <header class="bar">
        <a class="brand" href="#/live"><img src="/static/icon.svg" alt="" width="28" height="28" /><span>guardproxy</span></a>
        <${Nav} page=${page} waiting=${waiting} />
        <${Tools} theme=${theme} setTheme=${setTheme} setLanguage=${setLanguage} out=${who.token_needed} signOut=${signOut} />
      </header>
      <main id="main" tabindex="-1" ref=${main} aria-label=${t(`page_${page}`)}>
        <${PAGES[page]} key=${page} at=${at} cases=${cases} dark=${isDark(theme)} />
      </main>
    </div>`;
}

function App() {
  const [who, setWho] = useState(null);
  const [error, setError] = useState(null);
  const look = async () => {
    try {
      const told = await api("session");
      setCsrf(told.csrf);
      setWho(told);
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  };
  useEffect(() => {
    dress(kept("theme", "auto"));
    whenSignedOut(look);
    look();
  }, []);
  const signOut = async () => { await api("session", "DELETE"); await look(); };
  if (error) return html`<${Failed} error=${error} retry=${look} />`;
  if (!who) return null;
  return who.signed_in ? html`<${Shell} who=${who} signOut=${signOut} />` : html`<${SignIn} done=${look} />`;
}

speak(kept("language", navigator.language.startsWith("id") ? "id" : "en"));
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
