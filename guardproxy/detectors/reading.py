"""The scope model as the stages ask it: what takes a while is read in a thread."""

import asyncio
from functools import partial

from guardproxy.core.message import Turn
from guardproxy.detectors.scope_model.model import PolicyScope
from guardproxy.stages.scope import ScopeReading

# Characters. A reading of this much takes about 3 ms; longer ones would hold up other turns.
INLINE = 400


class Reading:
    """One policy's scope, read without holding up the loop."""

    def __init__(self, scope: PolicyScope) -> None:
        """`scope` is shared by all turns; reading changes nothing but its cache."""
        self._scope = scope

    @property
    def low(self) -> float:
        """Below: in scope."""
        return self._scope.low

    @property
    def high(self) -> float:
        """From here: off scope."""
        return self._scope.high

    @property
    def answer_high(self) -> float:
        """From here an answer has left the business."""
        return self._scope.answer_high

    async def question(self, turn: Turn) -> ScopeReading:
        """A reading of everything new the customer wrote; what tools returned is not theirs."""
        text = "\n".join(m.text for m in turn.messages if m.text and m.kind != "tool")
        context = turn.context or turn.recalled.history
        look = partial(self._scope.question, text, context)
        quick = len(text) <= INLINE and not self._scope.slow
        if quick or self._scope.recalls(text, context):
            return look()
        return await asyncio.to_thread(look)

    async def answer(self, turn: Turn) -> ScopeReading:
        """A reading of the answer, beside the question it answers."""
        answer = turn.answer or ""
        context = turn.context or turn.recalled.history
        look = partial(self._scope.answer, turn.text, answer, context)
        quick = len(answer) <= INLINE and not self._scope.slow
        return look() if quick else await asyncio.to_thread(look)

    def false_blocks(self, score: float) -> float:
        """The `scope.false_blocks` from which on this score is off scope."""
        return self._scope.false_blocks(score)

    async def topic(self, turn: Turn) -> str | None:
        """The key of the topic the question is nearest to."""
        return (await self.question(turn)).topic
