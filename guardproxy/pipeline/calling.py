"""Calling a person whose inbox is elsewhere: nobody is promised before the call has arrived."""

from collections.abc import Callable
from typing import Literal, Protocol

from guardproxy.core.errors import StoreError
from guardproxy.core.ledger import Closing
from guardproxy.core.message import Turn
from guardproxy.core.phases import Phase
from guardproxy.policy.compiled import Channel, Policy

# Seconds a customer waits for all calls together: with the merging of a burst and the send itself
# they read something true within five.
PATIENCE = 2.5

Called = Literal["arrived", "failed", "later"]


class Caller(Protocol):
    """Brings a case to where people are."""

    async def call(
        self, closing: Closing, case: str, channel: Channel, policy: Policy, within: float
    ) -> Called:
        """Whether it has arrived there within so many seconds; the conversation waits from then
        on. StoreError when the store is lost.
        """


def is_to_call(ways: tuple[Channel, ...], turn: Turn, caller: Caller | None) -> bool:
    """Whether the person has to be called first, and is not talking already."""
    known = turn.conversation is not None and turn.recalled.phase is not Phase.HUMAN
    return caller is not None and known and ways[0].carried


def meanwhile(ways: tuple[Channel, ...]) -> tuple[Channel, bool]:
    """The way that can be told whatever becomes of the call, and whether it leads to a person."""
    told = next((way for way in ways if not way.pauses), None)
    return (told, True) if told else (ways[0], False)


async def first_reached(
    case: str, ways: tuple[Channel, ...], closing: Closing, caller: Caller, policy: Policy,
    clock: Callable[[], float],
) -> Channel | None:  # fmt: skip
    """The first way that leads to a person; None while that is not known."""
    end = clock() + PATIENCE
    for way in ways:
        if not way.pauses:
            return way
        try:
            called = await caller.call(closing, case, way, policy, max(0.0, end - clock()))
        except StoreError:
            return None
        if called != "failed":
            return way if called == "arrived" else None
    return None
