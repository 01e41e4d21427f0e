// What is typed goes out as a signed webhook; what comes back is read from the fake Graph API.
const $ = id => document.getElementById(id);
let shown = 0;
const mine = new Map();
const bubble = (text, cls) => {
  const li = document.createElement("li");
  li.textContent = text; li.className = cls;
  $("chat").append(li); li.scrollIntoView({ block: "end" });
  return li;
};
async function say(text) {
  const li = bubble(($("document").checked ? "📄 " : "") + text, "me");
  const note = document.createElement("small");
  note.textContent = "…"; li.append(note);
  const answer = await fetch("/phone/say", { method: "POST", body: JSON.stringify(
    { number: $("number").value, text, document: $("document").checked }) });
  if (!answer.ok) { note.textContent = "could not be sent"; return; }
  mine.set((await answer.json()).decision, note);
}
async function look() {
  const state = await (await fetch("/phone/state")).json();
  if (!$("number").options.length)
    for (const [number, name] of Object.entries(state.numbers)) $("number").add(new Option(name, number));
  for (const [id, note] of mine) {
    const v = state.verdicts[id];
    if (!v) continue;
    const word = document.createElement("b");
    word.className = v.verdict; word.textContent = v.verdict;
    note.replaceChildren(word, ` ${v.rule ?? ""} · score ${v.score.toFixed(2)} · ${v.overhead_ms.toFixed(1)} ms`);
    mine.delete(id);
  }
  for (const send of state.sends.slice(shown)) bubble(send.text, "it");
  shown = state.sends.length;
}
$("form").addEventListener("submit", event => {
  event.preventDefault(); say($("text").value); $("text").value = "";
});
document.querySelectorAll(".try button").forEach(button => button.addEventListener("click", () => say(button.textContent)));
const loop = async () => { try { await look(); } catch {} setTimeout(loop, 300); };
loop();
