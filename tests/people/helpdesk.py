"""A help desk to bring cases to: a webhook, Chatwoot's API and a mail server, each with faults on
demand, and a shop whose channels lead there.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP

from guardproxy.channels.webhook import SIGNATURE, signature

SECRET = "webhook-secret"
NUMBER = "110200345501442"
WORDS = {"hook": "hookline", "woot": "wootline", "thread": "threadline", "mail": "mailline",
         "told": "toldline", "chat": "chatline", "late": "lateline"}  # fmt: skip

POLICY = """
version: 1
name: NAME
languages: [en]
business: {name: Kettle Shop, does: kettles and teapots}
whatsapp: {phone_number_id: "110200345501442"}
scope:
  topics:
    orders: {about: orders, examples: [my order is late, where is it?, where is my order, my kettle arrived broken]}
limits: []
rules:
RULES
escalation:
  default: DEFAULT
  summary: SUMMARY
  channels:
CHANNELS
"""

WAYS = """
    hook: {kind: human, via: webhook, url: env:T_HOOK, secret: env:T_SECRET, sla: 3s, else: woot}
    woot: {kind: human, via: chatwoot, url: env:T_WOOT, account: 1, secret: env:T_TOKEN, inbox: 3, sla: 3s}
    late: {kind: human, via: webhook, url: env:T_HOOK, secret: env:T_SECRET, sla: 10m}
    thread: {kind: human, via: thread_control, sla: 3s}
    told: {kind: human, secret: env:T_SECRET, notify: env:T_NOTIFY}
    chat: {kind: human, notify: env:T_CHAT}
    mail: {kind: email, to: help@kettle.example}
    phone: {kind: phone, to: "+49 30 5550101"}
"""


def write(folder: Path, name: str, ways: str = WAYS, default: str = "told") -> Path:
    """The folder with the shop's policy in it."""
    folder.mkdir(parents=True)
    rules = "\n".join(
        f"  - {{id: {channel}, when: {{any_word: [{word}]}}, then: escalate, to: {channel}}}"
        for channel, word in WORDS.items()
        if f"{channel}:" in ways
    )
    text = POLICY.replace("NAME", name).replace("RULES", rules or "  []")
    text = text.replace("SUMMARY", "true" if default != "told" else "false")
    text = text.replace("DEFAULT", default).replace("CHANNELS", ways.strip("\n"))
    (folder / f"{name}.yaml").write_text(text, "utf-8")
    return folder


@dataclass
class HelpDesk:
    """`cases`: signed requests that were taken, as (headers, body). `faults`: what the next
    requests of a path meet instead: a status, or seconds of silence.
    """

    cases: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    tries: list[tuple[str, str, Any]] = field(default_factory=list)
    faults: dict[str, list[int | float]] = field(default_factory=dict)
    contacts: list[dict[str, Any]] = field(default_factory=list)
    conversations: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._fault])
        app.router.add_post("/cases", self._case)
        app.router.add_post("/notify", self._plain)
        at = "/api/v1/accounts/1"
        app.router.add_get(f"{at}/contacts/search", self._search)
        app.router.add_post(f"{at}/contacts", self._new_contact)
        app.router.add_get(f"{at}/contacts/{{id}}/conversations", self._conversations)
        app.router.add_post(f"{at}/conversations", self._new_conversation)
        app.router.add_get(f"{at}/conversations/{{id}}/messages", self._messages)
        app.router.add_post(f"{at}/conversations/{{id}}/messages", self._note)
        app.router.add_post(f"{at}/conversations/{{id}}/toggle_status", self._set)
        app.router.add_post(f"{at}/conversations/{{id}}/toggle_priority", self._set)
        return app

    @web.middleware
    async def _fault(self, request: web.Request, handler: Any) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        self.tries.append((request.method, request.path, body))
        last = request.path.rpartition("/")[2]
        waiting = self.faults.get(last) or []
        fault = waiting.pop(0) if waiting else None
        if isinstance(fault, float):
            await asyncio.sleep(fault)
        elif fault is not None:
            return web.Response(status=fault, headers={"Location": "/elsewhere"})
        return await handler(request)

    async def _case(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if request.headers.get(SIGNATURE) != signature(raw, SECRET):
            raise web.HTTPUnauthorized
        self.cases.append((dict(request.headers), json.loads(raw)))
        return web.Response()

    async def _plain(self, request: web.Request) -> web.Response:
        return web.Response()

    @property
    def tickets(self) -> list[str]:
        """The cases by their keys, each once: what a receiver makes of repeated requests."""
        return list(dict.fromkeys(headers["Idempotency-Key"] for headers, _ in self.cases))

    # Chatwoot
    async def _search(self, request: web.Request) -> web.Response:
        if request.headers["api_access_token"] != "agent-token":
            raise web.HTTPUnauthorized
        wanted = request.query["q"]
        found = [c for c in self.contacts if wanted in (c.get("phone_number"), c.get("identifier"))]
        return web.json_response({"meta": {"count": len(found)}, "payload": found})

    async def _new_contact(self, request: web.Request) -> web.Response:
        made = await request.json() | {"id": 700 + len(self.contacts)}
        self.contacts.append(made)
        return web.json_response(
            {"payload": {"contact": made, "contact_inbox": {"source_id": "x"}}}
        )

    async def _conversations(self, request: web.Request) -> web.Response:
        mine = [c for c in self.conversations if str(c["contact_id"]) == request.match_info["id"]]
        return web.json_response({"payload": mine})

    async def _new_conversation(self, request: web.Request) -> web.Response:
        made = await request.json() | {"id": 42 + len(self.conversations)}
        self.conversations.append(made)
        return web.json_response(made)

    async def _messages(self, request: web.Request) -> web.Response:
        mine = [n for n in self.notes if n["at"] == request.match_info["id"]]
        return web.json_response({"meta": {}, "payload": mine})

    async def _note(self, request: web.Request) -> web.Response:
        self.notes.append(await request.json() | {"at": request.match_info["id"]})
        return web.json_response({"id": len(self.notes)})

    async def _set(self, request: web.Request) -> web.Response:
        body = await request.json()
        one = next(c for c in self.conversations if str(c["id"]) == request.match_info["id"])
        one.update(body)
        return web.json_response({"payload": {}})


@dataclass
class Mailbox:
    """What a real SMTP server took; `answers` are what it says to the next mails instead of 250."""

    mails: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """aiosmtpd's name for it."""
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(envelope.content.decode())
        return "250 taken"


@asynccontextmanager
async def mail_server(box: Mailbox) -> AsyncIterator[int]:
    """A mail server; the port it listens on."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, hostname="mail.example"), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
