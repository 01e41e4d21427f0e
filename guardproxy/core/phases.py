"""Who is talking to the customer: the bot, nobody yet, or a person; and how that changes."""

from enum import StrEnum

from guardproxy.core.errors import IllegalMove


class Phase(StrEnum):
    """Where a conversation stands between the bot and a person."""

    BOT = "bot"
    WAITING = "waiting"
    HUMAN = "human"


class Move(StrEnum):
    """What can happen to a conversation's phase."""

    ASK = "ask"  # an escalation to a human channel was opened, or added to
    TAKE = "take"  # a person took the case
    ECHO = "echo"  # a person answered from the phone app, without taking the case first
    LOSE = "lose"  # Meta's routing gave the thread to another app: people are there
    GAIN = "gain"  # Meta's routing gave it back
    RESOLVE = "resolve"  # the person is done
    HAND_BACK = "hand_back"  # the person returns the conversation to the bot
    EXPIRE = "expire"  # `resume_after` has passed


NEXT: dict[tuple[Phase, Move], Phase] = {
    (Phase.BOT, Move.ASK): Phase.WAITING,
    (Phase.BOT, Move.TAKE): Phase.HUMAN,
    (Phase.BOT, Move.ECHO): Phase.HUMAN,
    (Phase.BOT, Move.LOSE): Phase.HUMAN,
    (Phase.BOT, Move.GAIN): Phase.BOT,
    (Phase.BOT, Move.RESOLVE): Phase.BOT,  # a case of a channel that never paused the bot
    (Phase.WAITING, Move.ASK): Phase.WAITING,
    (Phase.WAITING, Move.TAKE): Phase.HUMAN,
    (Phase.WAITING, Move.ECHO): Phase.HUMAN,
    (Phase.WAITING, Move.LOSE): Phase.HUMAN,
    (Phase.WAITING, Move.GAIN): Phase.BOT,
    (Phase.WAITING, Move.RESOLVE): Phase.BOT,
    (Phase.WAITING, Move.HAND_BACK): Phase.BOT,
    (Phase.WAITING, Move.EXPIRE): Phase.BOT,
    (Phase.HUMAN, Move.ASK): Phase.HUMAN,
    (Phase.HUMAN, Move.TAKE): Phase.HUMAN,  # another colleague takes over
    (Phase.HUMAN, Move.ECHO): Phase.HUMAN,
    (Phase.HUMAN, Move.LOSE): Phase.HUMAN,
    (Phase.HUMAN, Move.GAIN): Phase.BOT,
    (Phase.HUMAN, Move.RESOLVE): Phase.BOT,
    (Phase.HUMAN, Move.HAND_BACK): Phase.BOT,
    (Phase.HUMAN, Move.EXPIRE): Phase.BOT,
}


def after(phase: Phase, move: Move) -> Phase:
    """The phase a move leads to; IllegalMove names both when there is none."""
    try:
        return NEXT[phase, move]
    except KeyError as error:
        message = f"a conversation in phase {phase!r} cannot {move!r}"
        raise IllegalMove(message) from error
