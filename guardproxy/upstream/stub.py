"""A scripted LLM that happily answers anything, so that the guard is seen to work.

It speaks OpenAI's chat completions and responses and Anthropic's messages, streamed and not, and
ships for the demo and the tests.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from guardproxy.upstream import shapes

# What it says when the customer's words hold the key; the first that does.
SCRIPT = {
    "python": "Sure! Here it is:\n\ndef sort(items):\n    return sorted(items)",
    "poem": "The moon hangs low above the silver sea, and waves recite their poetry to me.",
    "cuaca": "Hari ini cerah dengan suhu 31 derajat dan peluang hujan 10 persen.",
    "weather": "It will be sunny today with a high of 25 degrees and no rain.",
    "pdf": "Ringkasan: dokumen ini membahas perubahan iklim, penyebab dan dampaknya.",
    "table": "Gladly! A table for 8 is booked. What time would you like to come?",
    "meja": "Siap kak, meja untuk 8 orang kami catat. Mau datang jam berapa?",
    "menu": "Menu kami: nasi goreng, gudeg, ayam bakar, soto, dan es jeruk.",
    "pesan": "Siap kak, pesanannya kami catat. Diantar ke alamat mana?",
}
PLAIN = "Thank you for your message. Your order is noted. What else may I do for you?"


# How backends fail: name -> (status, content type, body); {key} is the caller's own credential.
BROKEN = {
    "html": (200, "text/html", "<html><h1>It works!</h1></html>"),
    "500": (500, "application/json", '{"error": {"message": "boom"}}'),
    "401": (401, "application/json", '{"error": {"message": "bad key"}}'),
    "echo_key": (400, "application/json", '{"error": {"message": "wrong key {key}"}}'),
    "cut": (200, "application/json", '{"choices": [{"message": {"content": "Sur'),
    "no_choices": (200, "application/json", '{"choices": []}'),
    "null": (200, "application/json", "null"),
    "list": (200, "application/json", "[1, 2]"),
}


def _broken(mode: str, key: str) -> web.Response:
    """An answer as a broken backend gives it."""
    status, kind, body = BROKEN[mode]
    return web.Response(status=status, content_type=kind, text=body.replace("{key}", key))


SHAPES = {
    "/chat/completions": (shapes.chat, shapes.chat_events),
    "/responses": (shapes.responses, shapes.responses_events),
    "/messages": (shapes.messages, shapes.messages_events),
}


@dataclass
class Stub:
    """The backend; `calls` holds the body of every completion it was asked for.

    `script`: a key that the customer's last words hold -> what is answered; "" answers all else.
    `tools`: the same for calls of tools, made once per turn when the caller offers tools.
    """

    script: Mapping[str, str] = field(default_factory=lambda: SCRIPT | {"": PLAIN})
    tools: Mapping[str, tuple[shapes.Call, ...]] = field(default_factory=dict)
    calls: list[shapes.Body] = field(default_factory=list)
    mode: str = ""  # a key of BROKEN: how it fails; "" answers, "hang" never does
    delay: float = 0.0  # seconds before it answers
    raw: tuple[bytes, str] | None = None  # a body to answer with whatever is asked, and its type
    sizes: tuple[int, ...] = ()  # the raw body goes out in pieces of these sizes, over and over
    pause: float = 0.0  # seconds between two pieces
    cut: bool = False  # the connection breaks after the raw body, before its end
    flaky: list[int] = field(default_factory=list)  # statuses of the next answers, then all is well
    open: int = 0  # requests under way

    def app(self) -> web.Application:
        """The backend as an application."""
        app = web.Application(client_max_size=64 << 20)
        for path in SHAPES:
            app.router.add_post(f"/v1{path}", self._complete)
        app.router.add_get("/v1/models", self._models)
        return app

    def answer(self, said: str) -> str:
        """What is said to some words."""
        folded = said.lower()
        return next((text for key, text in self.script.items() if key and key in folded),
                    self.script.get("", PLAIN))  # fmt: skip

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": "scripted", "object": "model"}]}
        )

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        """Any of the APIs, and every way to fail."""
        body = await request.json()
        self.calls.append(body)
        self.open += 1
        try:
            if self.flaky:
                status = self.flaky.pop(0)
                return web.json_response({"error": {"message": "later"}}, status=status,
                                         headers={"Retry-After": "0"})  # fmt: skip
            if self.mode == "hang":
                await asyncio.Event().wait()
            if self.mode:
                names = ("Authorization", "x-api-key")
                key = "".join(request.headers.get(name, "") for name in names)
                return _broken(self.mode, key)
            await asyncio.sleep(self.delay)
            if self.raw is not None:
                return await self._send(request, *self.raw)
            return await self._say(request, body)
        finally:
            self.open -= 1

    async def _say(self, request: web.Request, body: shapes.Body) -> web.StreamResponse:
        """What the script says."""
        path = request.path.removeprefix("/v1")
        words, fresh = shapes.said_last(path, body)
        keys = self.tools if body.get("tools") and fresh else {}
        calls = next((calls for key, calls in keys.items() if key in words.lower()), ())
        says = shapes.Says(len(self.calls), self.answer(words), calls)
        whole, events = SHAPES[path]
        if not body.get("stream"):
            return web.json_response(whole(says))
        return await self._send(request, b"".join(events(says, body)), "text/event-stream")

    async def _send(self, request: web.Request, raw: bytes, kind: str) -> web.StreamResponse:
        """A body in pieces."""
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        sizes = self.sizes or (len(raw) or 1,)
        at = turn = 0
        while at < len(raw):
            size = sizes[turn % len(sizes)]
            await response.write(raw[at : at + size])
            at, turn = at + size, turn + 1
            await asyncio.sleep(self.pause)
        if self.cut and request.transport is not None:
            request.transport.close()
            return response
        await response.write_eof()
        return response
