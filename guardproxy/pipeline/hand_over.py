"""Opens a case that no customer asked for: the proxy itself needs a person to look."""

from dataclasses import replace

from guardproxy.core.ledger import Case, Closing
from guardproxy.core.message import Turn
from guardproxy.core.trace import Trace
from guardproxy.core.verdict import Escalate
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.record import record_of


async def hand_over(turn: Turn, guard: Guard, rule: str, reason: str) -> str | None:
    """The conversation's open case, opened now if there was none; None without a store.

    The bot goes on: nobody asked it to be silent. The same `turn` twice changes nothing. StoreError
    when it could not be written down.
    """
    policy = guard.policy
    channel = policy.open_channel(None, turn.now)
    language = policy.languages[0]
    record = record_of(
        turn, policy, Escalate(rule), Trace(), language=language, overhead=0.0
    ) | {"text": ""}  # fmt: skip
    case = Case(
        id=f"esc_{turn.id}", channel=channel.id, kind=channel.kind, rule=rule, pauses=False,
        language=language, reason=reason, sla=channel.sla, policy=policy.ref,
        surface=turn.surface, address=turn.address,
        errands=tuple(
            replace(errand, wait=0.0) if errand.what == "case" else errand  # nobody waits for it
            for errand in policy.escalation.errands(channel)
        ),
    )  # fmt: skip
    closing = Closing(
        business=turn.business, turn=turn.id, caller=turn.caller, person=turn.person,
        conversation=turn.conversation, rule=rule, record=record, keep=policy.privacy.keep,
        case=case,
        verdict="drop",  # no turn of the customer's: neither drift nor the last verdict change
        resume_after=policy.escalation.resume_after,
    )  # fmt: skip
    if guard.conversations is None:
        return None
    found = await guard.conversations.close_turn(closing)
    guard.observe(record)
    return found
