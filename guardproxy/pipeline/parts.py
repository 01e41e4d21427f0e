"""An answer in parts through the checks of its side."""

from guardproxy.core.message import Turn
from guardproxy.core.trace import Step, Trace
from guardproxy.core.verdict import Allow, Rewrite, Verdict
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.guard import Guard


async def judge_parts(turn: Turn, answer: Answer, guard: Guard) -> Trace:
    """Each part of an answer through the checks; the first that is refused ends it."""
    leak = guard.form.leak(answer.beside)
    if leak is not None:
        return Trace((Step(stage=guard.form.name, decision=leak, took=0.0),))
    if len(answer.parts) < 2:
        return await guard.answer.run(turn)
    refused, mended = Trace(), Trace()
    for part in answer.parts:
        trace = await guard.answer.run(turn.answered(part))
        if isinstance(trace.verdict, Rewrite):
            mended += trace
        else:
            refused += trace
            if not isinstance(trace.verdict, Allow):
                break
    return refused + mended


def is_plain(verdict: Verdict) -> bool:
    """Whether a walk decided nothing."""
    return isinstance(verdict, Allow) and verdict.rule is None
