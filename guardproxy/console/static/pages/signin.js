// The door: the admin token opens it.
import { html, useState, api, keep, kept, setCsrf } from "../lib.js";
import { t } from "../words.js";

export function SignIn({ done }) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const enter = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setBusy(true);
    try {
      keep("name", form.get("name").trim());
      setCsrf((await api("session", "POST", { token: form.get("token") })).csrf);
      await done();
    } catch (problem) {
      setError(problem.message);
      setBusy(false);
    }
  };
  return html`
    <main class="door">
      <form class="card" onSubmit=${enter}>
        <img src="/static/icon.svg" alt="" width="40" height="40" />
        <h1>${t("sign_in_title")}</h1>
        <p class="dim">${t("sign_in_note")}</p>
        <label class="field"><span>${t("token")}</span>
          <input name="token" type="password" autocomplete="current-password" required autofocus aria-describedby="door-error" /></label>
        <label class="field"><span>${t("your_name")}</span>
          <input name="name" autocomplete="nickname" maxlength="60" value=${kept("name", "")} /></label>
        <p id="door-error" class="wrong" role="alert">${error}</p>
        <button class="primary" disabled=${busy}>${t("sign_in")}</button>
      </form>
    </main>`;
}
