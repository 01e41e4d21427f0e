"""Which turns are judged alike: everything that a stage reads must be the same."""

from dataclasses import fields, replace
from typing import Any

import pytest

from guardproxy.core.finding import Failed
from guardproxy.core.kept import LONG
from guardproxy.core.message import Count, Line, Memory, Message, Role, Turn
from guardproxy.core.phases import Phase
from guardproxy.pipeline.likeness import APART, likeness

TURN = Turn(
    id="a", business="b", surface="chat", messages=(Message(id="0", text="rye bread?"),), now=1.0
)
OTHER: dict[str, Any] = {
    "phase": Phase.WAITING, "duplicate": True, "opted_out": True, "offered": "phone",
    "last_verdict": "redirect", "last_rule": "scope.off_topic", "off_topic": 2, "language": "id",
    "history": (Line(Role.USER, "hello"),),
}  # fmt: skip


def test_every_field_of_memory_is_weighed_or_named_as_set_apart():
    assert {one.name for one in fields(Memory)} == APART | set(OTHER)


@pytest.mark.parametrize("name", OTHER)
def test_another_state_is_no_like(name):
    changed = TURN.remembering(replace(Memory(), **{name: OTHER[name]}))
    assert likeness(changed) != likeness(TURN)


@pytest.mark.parametrize(
    "changed",
    [
        replace(TURN, messages=(Message(id="0", text="rye bread"),)),
        replace(TURN, messages=(Message(id="0", text="rye bread?", kind="tool"),)),
        replace(TURN, messages=(*TURN.messages, Message(id="1", text="and rolls"))),
        replace(TURN, context=(Line(Role.ASSISTANT, "Shall I connect you?"),)),
        TURN.answered("Yes."),
    ],
    ids=["text", "kind", "more", "context", "answer"],
)
def test_other_words_are_no_like(changed):
    assert likeness(changed) != likeness(TURN)


def test_who_asks_when_and_how_often_makes_no_difference():
    again = replace(TURN, id="z", now=9.0, person="p", conversation="c", caller="k")
    used = Memory(turns=7, disclosed=True, counts=(Count(limit="burst", used=2, max=6),))
    assert likeness(again.remembering(used)) == likeness(TURN)


@pytest.mark.parametrize(
    "turn",
    [
        TURN.remembering(Failed("store", "lost")),
        TURN.remembering(Memory(counts=(Count(limit="burst", used=6, max=6, over=True),))),
        TURN.answered("x" * LONG),
    ],
    ids=["no memory", "over a limit", "too long"],
)
def test_some_turns_have_no_like(turn):
    assert likeness(turn) is None
