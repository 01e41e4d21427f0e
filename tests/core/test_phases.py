"""Who is talking: the table of moves is whole, and anything else is refused by name."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.core.errors import IllegalMove
from guardproxy.core.phases import NEXT, Move, Phase, after

BOT, WAITING, HUMAN = Phase.BOT, Phase.WAITING, Phase.HUMAN


@pytest.mark.parametrize(("phase", "move"), list(product(Phase, Move)))
def test_every_pair_has_a_next_phase_or_is_illegal(phase, move):
    if (phase, move) in NEXT:
        assert after(phase, move) is NEXT[phase, move]
    else:
        with pytest.raises(IllegalMove, match=rf"{phase.value}.*{move.value}"):
            after(phase, move)


@pytest.mark.parametrize(
    ("moves", "end"),
    [
        ([Move.ASK], WAITING),
        ([Move.ASK, Move.TAKE], HUMAN),
        ([Move.ASK, Move.TAKE, Move.RESOLVE], BOT),
        ([Move.ASK, Move.HAND_BACK], BOT),
        ([Move.ASK, Move.EXPIRE], BOT),
        ([Move.ASK, Move.ASK, Move.TAKE, Move.ASK], HUMAN),
        ([Move.ECHO, Move.EXPIRE, Move.ASK], WAITING),
    ],
)
def test_journeys_from_the_bot_and_back(moves, end):
    phase = BOT
    for move in moves:
        phase = after(phase, move)
    assert phase is end


def test_a_move_leads_to_one_phase_or_leaves_a_person_talking():
    # the store relies on it: it writes the phase a move leads to without a look at the table
    for move in Move:
        ends = {end for (start, step), end in NEXT.items() if step is move}
        assert len(ends) == 1 or move is Move.ASK


@given(st.lists(st.sampled_from(list(Move)), max_size=12))
def test_from_wherever_a_conversation_is_the_bot_can_come_back(moves):
    phase = BOT
    for move in moves:
        if (phase, move) in NEXT:
            phase = after(phase, move)
    assert after(phase, Move.RESOLVE) is BOT
