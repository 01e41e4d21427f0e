"""What every LLM API comes down to: what is asked, what is told, and how a dialect says it.

A dialect is one module (chat, responses, messages) with the functions of `Dialect`; the hop knows
no field of any API.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from guardproxy.core.message import Line, Message

Body = dict[str, Any]
Mend = Callable[[str], str]  # a text -> the text as it may pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: what is new since the model last spoke, what came before, and how to answer."""

    body: Body
    messages: tuple[Message, ...]
    context: tuple[Line, ...]
    older: int = 0  # how many of the body's items came before what is new
    person: str | None = None  # whom the body says it speaks for
    stream: bool = False
    usage: bool = True  # whether a stream ends with the usage
    structured: bool = False  # the answer must be JSON or a tool call: refuse in the API's own way

    @property
    def counted(self) -> bool:
        """Whether the customer spoke: a request that ends in a tool result costs no message."""
        spoken = [message for message in self.messages if message.id != "tools"]
        return not spoken or spoken[-1].kind != "tool"

    @property
    def model(self) -> str:
        """The model the caller named."""
        return str(self.body.get("model") or "guardproxy")


@dataclass(frozen=True, slots=True)
class Told:
    """A backend's answer: the texts that are checked, one by one, and the tokens it counted."""

    texts: tuple[str, ...]
    tokens: int
    answer: Body

    @property
    def text(self) -> str:
        """All of it."""
        return "\n\n".join(self.texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A reply of our own: its id, when (seconds since 1970), and what it says."""

    id: str
    at: float
    text: str


class Dialect(Protocol):
    """One API. `read` raises WireError, `told` and `joined` raise UpstreamError."""

    SURFACE: str  # what its turns are called in records
    SPOKEN_BY: str  # the value of `UPSTREAM_API` that speaks it
    PATH: str  # its path below the base URL
    TALK: str  # where its requests list what was said

    def read(self, raw: bytes) -> Asked:
        """A request's body."""

    def forwarded(self, asked: Asked, prompt: str, mask: Mend, model: str) -> bytes:
        """The request as the backend gets it: the scope prompt first and once, numbers masked;
        `model` "" keeps the one that was asked for.
        """

    def question(self, prompt: str, lines: tuple[Line, ...], text: str, model: str) -> bytes:
        """A request of our own: a conversation so far and what was just said."""

    def told(self, raw: bytes) -> Told:
        """A backend's whole answer."""

    def joined(self, raw: bytes) -> Told:
        """A backend's whole stream."""

    def kept(self, raw: bytes, asked: Asked) -> bytes:
        """A backend's whole answer as it may leave when nothing in it is changed."""

    def relayed(self, raw: bytes, asked: Asked) -> bytes:
        """A backend's whole stream as it may leave when nothing in it is changed."""

    def spoken(self, words: Words, asked: Asked) -> Body:
        """An answer that says our words; for a caller who parses JSON, a refusal."""

    def rewritten(self, told: Told, mend: Mend) -> Body:
        """The backend's answer with each of its texts as it may leave."""

    def stream(self, answer: Body, asked: Asked) -> bytes:
        """A whole answer as a stream, properly ended."""

    def error(self, status: int, message: str, field: str | None, code: str | None) -> Body:
        """An error's body."""

    def broken(self, status: int, message: str) -> bytes:
        """The end of a stream that was begun and cannot be finished."""


Headers = Mapping[str, str]
