"""A turn's new text, and what is remembered of it."""

from guardproxy.core.finding import Failed
from guardproxy.core.message import Memory, Message, Turn


def turn(*texts: str) -> Turn:
    messages = tuple(Message(id=str(i), text=text) for i, text in enumerate(texts))
    return Turn(id="t", business="b", surface="chat", messages=messages, now=0.0)


def test_the_text_is_everything_new_in_order():
    assert turn("menu?", "", "for 8").text == "menu?\nfor 8"


def test_a_lost_store_recalls_a_first_turn_and_stays_known_as_lost():
    lost = turn("x").remembering(Failed("store", "gone"))
    assert lost.recalled == Memory()
    assert isinstance(lost.memory, Failed)
    assert turn("x").remembering(Memory(turns=3)).recalled.turns == 3


def test_an_answer_is_laid_beside_the_question():
    assert turn("x").answered("y").answer == "y"
