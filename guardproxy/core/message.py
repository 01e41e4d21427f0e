"""What travels: a message, a turn of a conversation, and what is remembered of it."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from guardproxy.core.finding import Failed
from guardproxy.core.phases import Phase


class Role(StrEnum):
    """Who said a line."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation so far; `ids`: the messages it is of, as WhatsApp names them."""

    role: Role
    text: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing the customer sent, as text where it has any.

    `kind` is WhatsApp's own word (`text`, `image`, `audio`, `button_reply`, `list_reply`, ...);
    the LLM hop knows `text` and `tool`. `at` is in seconds since 1970, as the sender's side says.
    """

    id: str
    text: str
    kind: str = "text"
    at: float = 0.0


# Taps on what the business itself offered: they are never about something else.
TAPPED = frozenset({"button_reply", "list_reply", "button"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How far one limit is used. `reset_in` in seconds: when the next message would fit."""

    limit: str
    used: int
    max: int
    reset_in: float = 0.0
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the store knows of a conversation before this turn; the defaults are a first turn."""

    phase: Phase = Phase.BOT
    duplicate: bool = False
    opted_out: bool = False
    offered: str = ""  # the channel the bot's last words offered ("shall I connect you?")
    last_verdict: str = ""  # of the customer's previous turn
    last_rule: str = ""
    off_topic: int = 0  # how many of the last `drift.window` turns were off scope
    turns: int = 0  # customer turns so far; 0 is a first turn
    disclosed: bool = False
    language: str = ""  # of the customer's previous turn
    escalation: str = ""  # id of the open case, if any
    counts: tuple[Count, ...] = ()
    history: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn: what the customer just sent, what came before, and later what the model answered.

    `person` and `conversation` are keyed hashes, or None when nobody was named: then nothing is
    remembered and limits count per `caller` (a key id, or "local").
    """

    id: str
    business: str
    surface: str  # whatsapp | chat | responses | messages | checks | rehearsal
    messages: tuple[Message, ...]
    now: float
    context: tuple[Line, ...] = ()
    person: str | None = None
    conversation: str | None = None
    caller: str = "local"
    address: str = ""  # sealed: the number a person's reply would go to; "" where there is none
    request: str = ""  # the caller's own name for it
    counted: bool = True  # False: costs no message (ends in a tool result, counted on another hop)
    judged: bool = False  # what the customer said was let in on another hop
    memory: Memory | Failed = field(default_factory=Memory)
    answer: str | None = None

    @property
    def text(self) -> str:
        """Everything new the customer wrote, in order; what tools returned is not theirs."""
        if len(self.messages) == 1 and self.messages[0].kind != "tool":
            return self.messages[0].text  # nearly always, and asked for at every step
        return "\n".join(m.text for m in self.messages if m.text and m.kind != "tool")

    @property
    def carried(self) -> str:
        """Everything new that the model will read: the customer's words, and what tools say."""
        return "\n".join(message.text for message in self.messages if message.text)

    @property
    def recalled(self) -> Memory:
        """The memory, or a first turn's when the store could not be asked."""
        return self.memory if isinstance(self.memory, Memory) else Memory()

    def remembering(self, memory: Memory | Failed) -> "Turn":
        """The same turn with what the store knows of it."""
        return replace(self, memory=memory)

    def answered(self, answer: str) -> "Turn":
        """The same turn with what the model answered."""
        return replace(self, answer=answer)
