"""What of a conversation the model may see again: no exchange that was refused, or would be.

The caller holds the history, and can write into it what it likes: an answer nobody gave makes an
old request no fairer. What is new is judged as ever, and sees the whole talk; this is about what
is sent on.
"""

from collections.abc import Sequence
from dataclasses import replace

from guardproxy.core.message import Memory, Message, Role, Turn
from guardproxy.core.verdict import Redirect
from guardproxy.edges.llm.body import content
from guardproxy.edges.llm.dialect import Asked, Body
from guardproxy.pipeline.ending import OFF_TOPIC
from guardproxy.pipeline.guard import Guard

OWN = ("system", "developer")  # the caller's instructions stay, wherever they stand
BACK = 12  # lines of the customer's that are looked at again: what a short answer may lean on


async def standing(asked: Asked, turn: Turn, key: str, guard: Guard) -> Asked:
    """The request without the exchanges that may not be sent on. `key`: where its body lists the
    talk's items; of them those before `asked.older` are history.
    """
    items = asked.body.get(key)
    if not asked.older or not isinstance(items, list):
        return asked
    refused = await _off_scope(turn, guard)
    kept = []
    for whole in _exchanges(items[: asked.older]):
        spoken = [item for item in whole if item.get("role") in ("user", "assistant")]
        said = [content(item.get("content"), key)[0].strip() for item in spoken]
        dropped = refused.intersection(said) or guard.refusals.intersection(said[-1:])
        kept += [item for item in whole if item.get("role") in OWN] if dropped else whole
    if len(kept) == asked.older:
        return asked
    return replace(asked, body=asked.body | {key: [*kept, *items[asked.older :]]})


async def _off_scope(turn: Turn, guard: Guard) -> frozenset[str]:
    """The customer's lines of late that would be refused for what they ask, judged where they
    stood. A line judged before costs a look into memory.
    """
    found = set()
    places = [i for i, line in enumerate(turn.context) if line.role is Role.USER][-BACK:]
    for place in places:
        line = turn.context[place]
        then = replace(
            turn, messages=(Message(id="before", text=line.text),), context=turn.context[:place],
            memory=Memory(),
        )  # fmt: skip
        verdict = (await guard.question.run(then)).verdict
        if isinstance(verdict, Redirect) and verdict.rule.startswith(OFF_TOPIC):
            found.add(line.text.strip())
    return frozenset(found)


def _exchanges(items: Sequence[Body]) -> list[list[Body]]:
    """What the customer said, and all that followed until they spoke again, by exchange."""
    found: list[list[Body]] = [[]]
    for item in items:
        answered = any(not _is_customers(one) for one in found[-1])
        if _is_customers(item) and answered:
            found.append([])
        found[-1].append(item)
    return [exchange for exchange in found if exchange]


def _is_customers(item: Body) -> bool:
    """Whether the customer said it; what tools return travels under the same role in some APIs."""
    value = item.get("content")
    blocks = value if isinstance(value, list) else []
    returns = any(str(b.get("type", "")).endswith("_result") for b in blocks if isinstance(b, dict))
    return item.get("role") == "user" and not returns
