"""One policy made ready to judge turns: its stages, its prompt, its memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from guardproxy.core.finding import Finding
from guardproxy.core.ledger import Closing, Ticket
from guardproxy.core.message import Memory
from guardproxy.pipeline.prompt import compose
from guardproxy.pipeline.walk import Walk
from guardproxy.policy.compiled import Policy
from guardproxy.stages import Readers, inbound, outbound
from guardproxy.stages.form import Form
from guardproxy.stages.handover import Handover


class Conversations(Protocol):
    """What is remembered between turns. Both raise StoreError when the store does not answer."""

    async def admit(self, ticket: Ticket) -> Memory:
        """Count a turn and recall its conversation, in one round trip."""

    async def close_turn(self, closing: Closing) -> str | None:
        """Write down how a turn ended, in one step; the id of the conversation's open case."""


Record = dict[str, Any]
Observe = Callable[[Record], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Everything a turn of one business needs. Built anew on each reload, never changed.

    `conversations` None: nothing is remembered (rehearsals, `/v1/checks`).
    `observe` is told of every finished turn, as its decision record.
    """

    policy: Policy
    prompt: str
    question: Walk
    answer: Walk
    handover: Handover
    form: Form
    readers: Readers
    conversations: Conversations | None
    observe: Observe
    clock: Callable[[], float]  # monotonic seconds, for timings

    def mask(self, text: str) -> tuple[str, tuple[Finding, ...]]:
        """What the customer wrote as it may be forwarded: `input.pii` masks numbers in it."""
        return self.readers.patterns.mask(text, self.policy.input.pii)

    def mend(self, text: str) -> str:
        """A text of the model's as it may leave: numbers masked, cut to length."""
        return self.form.look(text).text


def build(
    policy: Policy,
    readers: Readers,
    *,
    clock: Callable[[], float],
    conversations: Conversations | None = None,
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
        question=question,
        answer=answer,
        handover=next(stage for stage in stages if isinstance(stage, Handover)),
        form=next(stage for stage in leaving if isinstance(stage, Form)),
        readers=readers,
        conversations=conversations,
        observe=observe,
        clock=clock,
    )
