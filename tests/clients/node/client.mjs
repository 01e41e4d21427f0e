// Two Node clients, unmodified: what each sends, what a refusal is to it, and how one is served.
// argv: sends|serves, Graph base URL, port, to, fair text, refused text, app secret
import { createServer } from "node:http";
import { GraphApiError, WhatsAppClient } from "@kapso/whatsapp-cloud-api";
import { WhatsAppAPI } from "whatsapp-api-js";
import { ActionButtons, Body, Button, Interactive, Text } from "whatsapp-api-js/messages";

const [mode, graph, port, to, fair, off, secret] = process.argv.slice(2);
const NUMBER = "110200345501442";
const say = (name, ...what) => console.log(JSON.stringify([name, ...what]));

const kapso = new WhatsAppClient({ baseUrl: graph, accessToken: "agent", graphVersion: "v26.0" });
const api = new WhatsAppAPI({
  token: "agent",
  appSecret: secret,
  v: "v26.0",
  ponyfill: { fetch: (url, more) => fetch(String(url).replace("https://graph.facebook.com", graph), more) },
});

async function byKapso(name, call) {
  try {
    const made = await call();
    say(`kapso.${name}`, "sent", made.messages[0].id);
  } catch (error) {
    say(`kapso.${name}`, error instanceof GraphApiError ? "GraphApiError" : String(error), error.code);
  }
}

async function byApi(name, message, whom = to) {
  const made = await api.sendMessage(NUMBER, whom, message);
  if (made.error) say(`api.${name}`, "error", made.error.code);
  else say(`api.${name}`, "sent", made.messages[0].id);
}

if (mode === "sends") {
  const phoneNumberId = NUMBER;
  const buttons = [{ id: "t", title: "Track order" }];
  await byKapso("text", () => kapso.messages.sendText({ phoneNumberId, to, body: fair }));
  await byKapso("buttons", () =>
    kapso.messages.sendInteractiveButtons({ phoneNumberId, to, bodyText: fair, buttons }));
  await byKapso("refused", () => kapso.messages.sendText({ phoneNumberId, to, body: off }));
  await byKapso("nobody", () =>
    kapso.messages.sendText({ phoneNumberId, to: "15550009998", body: fair }));
  const tap = (words) => new Interactive(new ActionButtons(new Button("t", "Track order")), new Body(words));
  await byApi("text", new Text(fair));
  await byApi("buttons", tap(fair));
  await byApi("refused", new Text(off));
  await byApi("hidden", tap(off));
  await byApi("nobody", new Text(fair), "15550009998");
} else {
  api.on.message = async ({ phoneID, from, message, reply }) => {
    void [phoneID, from];
    await reply(new Text(`${fair} ${message.text.body.slice(-5)}`));
  };
  createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", async () => {
      const raw = Buffer.concat(parts).toString("utf8");
      if (request.method !== "POST") return response.writeHead(404).end();
      try {
        await api.post(JSON.parse(raw), raw, request.headers["x-hub-signature-256"]);
        response.writeHead(200).end();
      } catch (error) {
        console.error(error);
        response.writeHead(typeof error.httpStatus === "number" ? error.httpStatus : 500).end();
      }
    });
  }).listen(Number(port), "127.0.0.1");
}
