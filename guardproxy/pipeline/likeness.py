"""When two turns are judged alike: everything of a turn that a stage looks at, and nothing else.

Rule: a stage may read a turn's texts, its context, its answer and what is remembered. Of memory
only what is named in APART may differ between turns that are judged alike; a new field of Memory
counts unless it is put there.
"""

from collections.abc import Hashable
from dataclasses import fields
from operator import attrgetter

from guardproxy.core.kept import LONG
from guardproxy.core.message import Memory, Turn

# No stage reads these: how often and how far limits are used (one that is over is never alike),
# and what only replies and reports ask for.
APART = frozenset({"counts", "turns", "disclosed", "escalation"})
_remembered = attrgetter(*(f.name for f in fields(Memory) if f.name not in APART))


def likeness(turn: Turn) -> Hashable | None:
    """The key of all turns that are judged as this one; None for a turn that has no like."""
    memory = turn.memory
    if not isinstance(memory, Memory) or any(count.over for count in memory.counts):
        return None
    messages = tuple((message.text, message.kind) for message in turn.messages)
    said = sum(len(m.text) for m in turn.messages) + len(turn.answer or "")
    before = sum(len(line.text) for line in (*turn.context, *memory.history))
    if said + before > LONG:
        return None
    return messages, turn.context, turn.answer, _remembered(memory)
