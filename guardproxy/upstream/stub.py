"""A scripted LLM that happily answers anything, so that the guard is seen to work.

It speaks OpenAI's chat completions, streamed and not, and ships for the demo and the tests.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web

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


@dataclass
class Stub:
    """The backend; `calls` holds the body of every completion it was asked for.

    `script`: a key that the customer's last words hold -> what is answered; "" answers all else.
    """

    script: Mapping[str, str] = field(default_factory=lambda: SCRIPT | {"": PLAIN})
    calls: list[dict[str, object]] = field(default_factory=list)
    mode: str = ""  # a key of BROKEN: how it fails; "" answers, "hang" never does
    delay: float = 0.0  # seconds before it answers

    def app(self) -> web.Application:
        """The backend as an application."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._complete)
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
        body = await request.json()
        self.calls.append(body)
        if self.mode == "hang":
            await asyncio.Event().wait()
        if self.mode:
            return _broken(self.mode, request.headers.get("Authorization", ""))
        await asyncio.sleep(self.delay)
        spoken = [m for m in body["messages"] if m["role"] == "user"]
        text = self.answer(json.dumps(spoken[-1]["content"], ensure_ascii=False) if spoken else "")
        usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
        base = {"id": f"chatcmpl-{len(self.calls)}", "created": 1_700_000_000, "model": "scripted"}
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            whole = base | {"object": "chat.completion", "choices": [choice], "usage": usage}
            return web.json_response(whole)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async for event in _chunks(base, text, body, usage):
            await response.write(b"data: " + event + b"\n\n")
        await response.write_eof()
        return response


async def _chunks(
    base: dict[str, object], text: str, body: dict[str, object], usage: dict[str, int]
) -> AsyncIterator[bytes]:
    """A stream, three characters at a time."""
    head = base | {"object": "chat.completion.chunk"}
    pieces = [text[i : i + 3] for i in range(0, len(text), 3)]
    deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield json.dumps(head | {"choices": [choice]}).encode()
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield json.dumps(head | {"choices": [choice]}).encode()
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield json.dumps(head | {"choices": [], "usage": usage}).encode()
    yield b"[DONE]"
