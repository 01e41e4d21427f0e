"""What the policy on trial would have decided of a turn, beside the one that decided it.

It sees the same turn, memory and answer. It asks no LLM judge, and what it decides is written down
and not obeyed: the disagreements are what `guardproxy compare` lists.
"""

from typing import Any

from guardproxy.core.message import Turn
from guardproxy.core.trace import Trace
from guardproxy.core.verdict import Allow, Verdict
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.parts import is_plain, judge_parts

Looked = tuple[Turn, Trace, Answer | None]  # the turn, what was looked at, the model's answer


async def compare(decided: Verdict, looked: Looked, rival: Guard) -> dict[str, Any]:
    """The rival's verdict on the sides that were looked at, and whether it is the same."""
    turn, trace, answer = looked
    verdict: Verdict = Allow()
    if any(step.stage == "handover" for step in trace.steps):  # the question was judged here
        verdict = (await rival.question.run(turn)).verdict
    if answer is not None and answer.text and isinstance(verdict, Allow):
        said = (await judge_parts(turn, answer, rival)).verdict
        verdict = verdict if is_plain(said) else said
    return {
        "policy": rival.policy.ref,
        "verdict": verdict.name,
        "rule": verdict.rule,
        "same": verdict.name == decided.name,
    }
