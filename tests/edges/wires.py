"""The three LLM APIs as tests write and read them: one text asked, one text heard."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Api:
    """How an API is asked and what of its answers is read."""

    name: str
    path: str

    def body(self, said: Any, *, before: tuple[tuple[str, str], ...] = (), **more: Any) -> dict:
        lines = [{"role": role, "content": text} for role, text in before]
        lines += said if isinstance(said, list) else [{"role": "user", "content": said}]
        if self.name == "responses":
            return {"model": "m", "input": lines, **more}
        return {"model": "m", "messages": lines, "max_tokens": 99, **more}

    def heard(self, response: Any) -> str:
        """The text of an answer, streamed or not, put together as a client does."""
        if response.json_ is not None:
            return self._whole(response.json_)
        out, ends = "", 0
        for block in response.raw_.decode().split("\n\n"):
            data = "".join(
                line[5:].strip() for line in block.splitlines() if line.startswith("data:")
            )
            if not data or data == "[DONE]":
                ends += data == "[DONE]"
                continue
            chunk = json.loads(data)
            out += self._piece(chunk)
            ends += chunk.get("type") in ("message_stop", "response.completed")
        assert ends == 1, response.raw_
        return out

    def _whole(self, body: dict) -> str:
        if self.name == "chat":
            return body["choices"][0]["message"]["content"] or ""
        blocks = body["content"] if self.name == "messages" else body["output"][0]["content"]
        return "".join(block.get("text", "") for block in blocks)

    def _piece(self, chunk: dict) -> str:
        if self.name == "chat":
            return "".join(c["delta"].get("content") or "" for c in chunk["choices"])
        delta = chunk.get("delta")
        if self.name == "messages":
            return delta.get("text", "") if chunk["type"] == "content_block_delta" else ""
        return delta if chunk["type"] == "response.output_text.delta" else ""


CHAT = Api("chat", "/chat/completions")
RESPONSES = Api("responses", "/responses")
MESSAGES = Api("messages", "/messages")
APIS = (CHAT, RESPONSES, MESSAGES)
