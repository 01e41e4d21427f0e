"""Scripts sent together: order, errors, callers that leave, a store that does not know a script."""

import asyncio
import time

import pytest

from guardproxy.core.errors import StoreError
from guardproxy.core.ledger import Closing, Ticket
from guardproxy.core.message import Memory
from guardproxy.store.conversations import Conversations
from guardproxy.store.decisions import decision
from guardproxy.store.redis import DEADLINE, Connection


def closing(turn: str, language: str = "en") -> Closing:
    """How such a turn ends."""
    return Closing(
        business="batch", turn=turn, caller="k", person=turn, conversation=turn, verdict="allow",
        rule=None, record={"of": turn}, keep=60.0, language=language,
    )  # fmt: skip


async def enter(connection: Connection, turn: str) -> Memory:
    """One turn of a conversation of its own."""
    ticket = Ticket(business="batch", turn=turn, caller="k", person=turn, conversation=turn)
    return await Conversations(connection).admit(ticket)


async def test_what_is_asked_at_once_is_answered_each_to_its_own(connection):
    ledger = Conversations(connection)
    for number in range(60):
        await ledger.close_turn(closing(f"own-{number}", language=f"l{number}"))
    memories = await asyncio.gather(*(enter(connection, f"own-{i}") for i in range(60)))
    assert [memory.language for memory in memories] == [f"l{i}" for i in range(60)]


@pytest.mark.one_server
async def test_a_store_that_forgot_its_scripts_is_told_them_again(connection):
    first = await enter(connection, "a")
    await connection.do("SCRIPT", "FLUSH")
    second = await asyncio.gather(*(enter(connection, name) for name in "bcd"))
    assert [memory.turns for memory in (first, *second)] == [0, 0, 0, 0]


async def test_a_caller_that_leaves_takes_no_other_with_it(connection):
    leaving = asyncio.get_running_loop().create_task(enter(connection, "gone"))
    staying = [
        asyncio.get_running_loop().create_task(enter(connection, f"stays-{i}")) for i in range(5)
    ]
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert all(memory.turns == 0 for memory in await asyncio.gather(*staying))
    assert connection.up


async def test_a_plain_command_sees_what_a_script_asked_before_it_did(connection):
    ledger = Conversations(connection)
    for number in range(20):
        await ledger.leave_turn(closing(f"seen-{number}"))
        assert await decision(connection, f"seen-{number}") == {"of": f"seen-{number}"}


async def test_all_callers_of_a_store_that_hangs_are_told_within_two_deadlines():
    async def silent(reader, writer) -> None:
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        hung = Connection(f"redis://127.0.0.1:{port}", time.monotonic)
        started = time.perf_counter()
        calls = [hung.run("revoke", ["{s1}:x"], ["y"]) for _ in range(20)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, StoreError) for answer in answers)
        assert time.perf_counter() - started < 2 * DEADLINE
        assert not hung.up
        await hung.close()
        server.close()


async def test_what_was_left_with_a_store_that_hangs_is_told_of():
    async def silent(reader, writer) -> None:
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        hung = Connection(f"redis://127.0.0.1:{port}", time.monotonic)
        lost: list[StoreError] = []
        await hung.leave("revoke", ["{s1}:x"], ["y"], lost.append)
        assert lost == []
        await hung.close()  # waits for what is under way
        assert len(lost) == 1
        with pytest.raises(StoreError, match="is lost"):
            await hung.leave("revoke", ["{s1}:x"], ["y"], lost.append)
        server.close()


async def test_a_script_that_fails_is_an_error_of_its_caller_alone(connection):
    bad = connection.run("admit", ["{s1}:a"], ["no json"])
    answers = await asyncio.gather(enter(connection, "good"), bad, return_exceptions=True)
    assert not isinstance(answers[0], BaseException)
    assert isinstance(answers[1], StoreError)
