"""What a turn asks of memory before it is judged, and what it leaves there when it is over."""

from dataclasses import dataclass
from typing import Any, Literal

from guardproxy.core.message import Line

Per = Literal["user", "conversation", "business", "key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of a policy: at most `max` messages (or tokens) in any window of `seconds`."""

    id: str
    per: Per
    max: int
    seconds: float
    of: Literal["messages", "tokens"] = "messages"
    then: str = "throttle"
    to: str | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One turn asking to be let in. Asking twice with the same `turn` counts once.

    `exempt`: a request for a person; it is counted nowhere and no limit refuses it.
    `counted`: False for a turn that costs no message. `tokens`: the estimate to reserve.
    `now`: seconds since 1970, or None for the store's own clock (what production uses, so that
    several hosts and a jumping clock agree).
    """

    business: str
    turn: str
    caller: str
    person: str | None
    conversation: str | None
    limits: tuple[Limit, ...] = ()
    exempt: bool = False
    counted: bool = True
    tokens: int = 0
    drift_window: int = 6
    resume_after: float = 43_200.0
    now: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Something to be done about a new case: `what` is case, notify or mail, by `channel`.

    `wait` and `patience` in seconds: until the first try, and how long it is tried at all.
    """

    what: Literal["case", "notify", "mail", "summary"]
    channel: str
    patience: float
    wait: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An escalation to open, or to add to when the conversation has one open."""

    id: str
    channel: str
    kind: str  # human | phone | email | web_form | in_store
    rule: str
    pauses: bool
    language: str
    reason: str = ""  # the customer's words, masked as the policy says
    sla: float | None = None  # seconds
    policy: str = ""  # name@rev that decided
    surface: str = ""
    score: float = 0.0  # off-scope, 0..1
    draft: str = ""  # the refused answer, masked likewise; "" where none was made
    address: str = ""  # sealed: where a person's reply goes; "" where guardproxy has no number
    errands: tuple[Errand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One line of a conversation as a colleague reads it. `at` in seconds since 1970; `by`: which
    colleague, where one spoke.
    """

    who: Literal["customer", "bot", "person"]
    text: str
    at: float
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What one turn leaves behind, written in one step.

    `lines` are added to the conversation's history, for the model: nothing of a refused turn is.
    `record` is the decision record, kept for `keep` seconds and readable by `turn`.
    `spent`: tokens used; what the ticket reserved beyond it is given back.
    """

    business: str
    turn: str
    caller: str
    person: str | None
    conversation: str | None
    verdict: str
    rule: str | None
    record: dict[str, Any]
    keep: float
    lines: tuple[Line, ...] = ()
    talk: str | None = None  # the conversation whose transcript `said` goes to
    said: tuple[Said, ...] = ()  # refused turns too, masked as the policy says
    off_topic: bool = False
    offered: str = ""
    language: str = ""
    disclosed: bool = False
    case: Case | None = None
    opted_out: bool | None = None  # True or False: the customer just said so
    limits: tuple[Limit, ...] = ()
    spent: int = 0
    failed: bool = False  # the backend gave no answer: the turn is taken out of every limit
    to_send: bool = False  # guardproxy itself sends `reply`: keep it until it has gone out
    reply: str | None = None
    resume_after: float = 43_200.0
    now: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One message on its way out: the `part` of a turn's reply, from `number` to `person`.

    `theirs`: what an agent of the business put into `biz_opaque_callback_data`, "" for nothing;
    `address`: sealed, where a colleague's reply would go.
    """

    business: str
    turn: str
    number: str
    person: str
    part: int = 0
    theirs: str = ""
    address: str = ""

    @property
    def id(self) -> str:
        """Its name; statuses bring it back where nothing else was put there."""
        return f"{self.turn}.{self.part}" if self.part else self.turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """A send of which nothing was heard in time, or (`why`) that certainly did not arrive."""

    send: Send
    at: float  # seconds since 1970
    why: str = ""
