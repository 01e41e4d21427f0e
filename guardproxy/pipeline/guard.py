"""One policy made ready to judge turns: its stages, its prompt, its memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from guardproxy.core.finding import Failed, Finding
from guardproxy.core.ledger import Closing, Limit, Said, Ticket
from guardproxy.core.message import Memory
from guardproxy.pipeline.calling import Caller
from guardproxy.pipeline.prompt import compose
from guardproxy.pipeline.reply import refusals
from guardproxy.pipeline.walk import Walk
from guardproxy.policy.compiled import Policy
from guardproxy.stages import Readers, inbound, outbound
from guardproxy.stages.form import Form
from guardproxy.stages.handover import Handover


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What the local model is unsure of: the business in words, the lines before, the text."""

    business: str
    context: tuple[tuple[str, str], ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a judge made of it, and why in a sentence."""

    in_scope: bool
    reason: str


class Judge(Protocol):
    """Decides what the local model is unsure of."""

    async def rule(self, doubt: Doubt) -> Ruling | Failed:
        """A ruling, or why there is none; it has a deadline of its own."""


class Tokens(Protocol):
    """Counts tokens where no backend has."""

    def count(self, text: str) -> int:
        """The tokens of a text, or an estimate."""

    def learn(self, characters: int, tokens: int) -> None:
        """What a backend counted for so many characters."""


class Conversations(Protocol):
    """What is remembered between turns. All raise StoreError when the store does not answer."""

    async def admit(self, ticket: Ticket) -> Memory:
        """Count a turn and recall its conversation, in one round trip."""

    async def close_turn(self, closing: Closing) -> str | None:
        """Write down how a turn ended, in one step; the id of the conversation's open case."""

    async def say_instead(self, closing: Closing, text: str, said: Said) -> None:
        """Other words for a turn that was closed a moment ago and has not been answered yet."""

    async def leave_turn(self, closing: Closing) -> None:
        """The same, on its way to the store and not waited for: every later turn here sees it."""


Record = dict[str, Any]
Observe = Callable[[Record], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guard:
    """Everything a turn of one business needs. Built anew on each reload, never changed.

    `conversations` None: nothing is remembered (rehearsals, `/v1/checks`). `caller` None: nobody
    is called.
    `observe` is told of every finished turn, as its decision record.
    """

    policy: Policy
    prompt: str
    refusals: frozenset[str]  # all that is said in place of an answer
    question: Walk
    answer: Walk
    handover: Handover
    form: Form
    readers: Readers
    tokens: Tokens
    judge: Judge | None
    conversations: Conversations | None
    caller: Caller | None
    observe: Observe
    clock: Callable[[], float]  # monotonic seconds, for timings
    trial: "Trial | None" = None

    def for_person(self, person: str | None) -> "Guard":
        """The guard that decides for somebody (a keyed hash): the one on trial for its people."""
        return self.trial.guard if self.trial and person in self.trial.people else self

    def mask(self, text: str) -> tuple[str, tuple[Finding, ...]]:
        """What the customer wrote as it may be forwarded: `input.pii` masks numbers in it."""
        return self.readers.patterns.mask(text, self.policy.input.pii)

    def mend(self, text: str) -> str:
        """A text of the model's as it may leave: numbers masked, cut to length."""
        return self.form.look(text).text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """A second guard of the same business: it decides for `people`, and is compared for others."""

    guard: Guard
    people: frozenset[str] = frozenset()


class Learned:
    """Tokens by the characters one has taken so far: a mean that follows the backend's counts."""

    def __init__(self, each: float = 3.0) -> None:
        """`each`: characters per token to begin with; fewer than most texts have is careful."""
        self._each = each

    def count(self, text: str) -> int:
        """An estimate."""
        return int(len(text) / self._each) + 1

    def learn(self, characters: int, tokens: int) -> None:
        """Follow slowly: one odd answer does not move it, a hundred do."""
        if characters > 200 and tokens > 20:
            seen = min(8.0, max(1.0, characters / tokens))
            self._each += 0.05 * (seen - self._each)


def build(
    policy: Policy,
    readers: Readers,
    *,
    clock: Callable[[], float],
    tokens: Tokens | None = None,
    judge: Judge | None = None,
    conversations: Conversations | None = None,
    caller: Caller | None = None,
    observe: Observe = lambda _record: None,
) -> Guard:
    """A guard for one policy."""
    stages = inbound(policy, readers)
    question = Walk(
        side="question",
        stages=stages,
        on_failure=policy.on_failure.question,
        shadow=policy.shadow,
        clock=clock,
    )
    leaving = outbound(policy, readers)
    answer = Walk(
        side="answer",
        stages=leaving,
        on_failure=policy.on_failure.answer,
        shadow=policy.shadow,
        clock=clock,
    )
    return Guard(
        policy=policy,
        prompt=compose(policy),
        refusals=refusals(policy),
        question=question,
        answer=answer,
        handover=next(stage for stage in stages if isinstance(stage, Handover)),
        form=next(stage for stage in leaving if isinstance(stage, Form)),
        readers=readers,
        tokens=tokens or Learned(),
        judge=judge,
        conversations=conversations,
        caller=caller,
        observe=observe,
        clock=clock,
    )


def for_audience(guard: Guard, limits: tuple[Limit, ...], *, internal: bool) -> Guard:
    """The same guard with more limits. `internal`: what is said stays in the house, so scope and
    drift are recorded and not enforced, and no scope prompt is put before the caller's own;
    limits, injection, masking and secrets hold as ever.
    """
    policy = replace(guard.policy, limits=(*guard.policy.limits, *limits))
    if internal:
        policy = replace(
            policy,
            off_topic_shadow=True,
            unsure="allow",
            topics=tuple(replace(topic, shadow=True) for topic in policy.topics),
            refuse=tuple(replace(refusal, shadow=True) for refusal in policy.refuse),
            drift=replace(policy.drift, shadow=True),
            output=replace(policy.output, shadow=True),
        )
    made = build(
        policy, guard.readers, clock=guard.clock, tokens=guard.tokens, judge=guard.judge,
        conversations=guard.conversations, caller=guard.caller, observe=guard.observe,
    )  # fmt: skip
    if internal:
        return replace(made, prompt="")
    trial = guard.trial
    if trial is None:
        return made
    rival = for_audience(trial.guard, limits, internal=False)
    return replace(made, trial=replace(trial, guard=rival))
