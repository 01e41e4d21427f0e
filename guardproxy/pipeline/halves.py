"""Turns of which another party does a half: an agent of the business answers, on hops of its own.

The question is judged when the customer writes, the answer when the agent sends it.
"""

from dataclasses import replace

from guardproxy.core.errors import StoreError
from guardproxy.core.finding import Failed
from guardproxy.core.ledger import Ticket
from guardproxy.core.message import Turn
from guardproxy.core.trace import Trace
from guardproxy.core.verdict import Allow, Escalate, Rewrite
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.doubt import beside, is_unsure
from guardproxy.pipeline.ending import Ended, Outcome, conclude
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.parts import is_plain, judge_parts
from guardproxy.pipeline.turn import recall


async def run_question(turn: Turn, guard: Guard) -> Outcome:
    """Judge a question that somebody else will answer, and write it down."""
    started = guard.clock()
    turn = await recall(turn, guard)
    trace = await guard.question.run(turn)
    verdict = trace.verdict
    if isinstance(verdict, Allow) and guard.judge is not None and is_unsure(trace, guard):
        _, ruled = await beside(_nothing, turn, guard)
        trace += ruled
        verdict = verdict if is_plain(ruled.verdict) else ruled.verdict
    return await conclude(Ended(turn, verdict, trace, None, guard.clock() - started), guard)


async def _nothing() -> Answer:
    """No answer of ours: the judge rules alone."""
    return Answer("")


async def run_answer(turn: Turn, answer: Answer, guard: Guard, labels: str = "") -> Outcome:
    """Judge what somebody else answers, and write it down. It counts as no message.

    `labels`: words too short to be about anything (buttons, names, links); only their form counts.
    """
    started = guard.clock()
    turn = (await _recalled(turn, guard)).answered(answer.text or labels)
    form = replace(guard.answer, stages=(guard.form,))
    trace = await form.run(turn.answered(labels)) if labels else Trace()
    if answer.text and isinstance(trace.verdict, Allow | Rewrite):
        said = await judge_parts(turn, answer, guard)
        trace = said + trace  # a refusal of what is said comes before a mending of labels
    verdict = trace.verdict
    if not isinstance(verdict, Escalate):
        turn = replace(turn, conversation=None)  # nothing of it changes the conversation's state
    return await conclude(Ended(turn, verdict, trace, answer, guard.clock() - started), guard)


async def _recalled(turn: Turn, guard: Guard) -> Turn:
    """The turn with its conversation; no limit counts it."""
    if guard.conversations is None:
        return turn
    ticket = Ticket(
        business=turn.business, turn=turn.id, caller=turn.caller, person=turn.person,
        conversation=turn.conversation, exempt=True, counted=False,
        drift_window=guard.policy.drift.window,
    )  # fmt: skip
    try:
        return turn.remembering(await guard.conversations.admit(ticket))
    except StoreError as error:
        return turn.remembering(Failed("store", str(error)))
