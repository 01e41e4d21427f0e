"""Who may speak, and what is remembered: on a real Valkey, the clock moved by hand."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardproxy.core.ledger import Case, Closing, Errand, Limit, Ticket
from guardproxy.core.message import Line, Role
from guardproxy.core.phases import Move, Phase
from guardproxy.pipeline.guard import Conversations as Remembers
from guardproxy.store.conversations import Conversations
from guardproxy.store.decisions import decision
from guardproxy.store.escalations import Escalations
from guardproxy.store.people import People

_count = itertools.count()
T = 1_700_000_000.0


def fresh(what: str = "x") -> str:
    return f"{what}{next(_count)}"


def limit(most: int, seconds: float = 60.0, **more: Any) -> Limit:
    return Limit(**({"id": "a", "per": "user", "max": most, "seconds": seconds} | more))


@pytest.fixture
def ledger(connection) -> Conversations:
    made = Conversations(connection)
    _: Remembers = made
    return made


@pytest.fixture
def who() -> dict[str, Any]:
    """A customer nobody had before."""
    return {"business": fresh("b"), "caller": "k", "person": fresh("p"), "conversation": fresh("c")}


async def admit(ledger: Conversations, who: dict[str, Any], *limits: Limit, **more: Any):
    return await ledger.admit(
        Ticket(**({"turn": fresh("t"), "now": T, "limits": limits} | who | more))
    )


async def close(ledger: Conversations, who: dict[str, Any], **more: Any):
    fields = {
        "turn": fresh("t"),
        "verdict": "allow",
        "rule": None,
        "record": {},
        "keep": 60.0,
        "now": T,
    }
    return await ledger.close_turn(Closing(**(fields | who | more)))


def over(memory) -> list[bool]:
    return [count.over for count in memory.counts]


async def test_a_window_slides_exactly(ledger, who):
    burst = limit(2, 10.0)
    for at, refused in (
        (0.0, False),
        (4.0, False),
        (9.999, True),
        (10.0, False),
        (13.9, True),
        (14.0, False),
    ):
        memory = await admit(ledger, who, burst, now=T + at)
        assert over(memory) == [refused], at


async def test_a_refusal_says_when_the_next_message_fits(ledger, who):
    for at in (0.0, 4.0):
        await admit(ledger, who, limit(2, 10.0), now=T + at)
    (count,) = (await admit(ledger, who, limit(2, 10.0), now=T + 5)).counts
    assert (count.used, count.max, count.reset_in) == (2, 2, pytest.approx(5.0, abs=1e-3))


async def test_what_one_limit_refuses_is_counted_by_none(ledger, who):
    tight, wide = limit(1, id="tight"), limit(10, id="wide")
    await admit(ledger, who, tight, wide)
    for _ in range(5):
        assert over(await admit(ledger, who, tight, wide)) == [True, False]
    assert (await admit(ledger, who, wide)).counts[0].used == 2


async def test_a_limit_in_shadow_counts_and_refuses_nothing(ledger, who):
    watched, real = limit(1, id="w", shadow=True), limit(3, id="r")
    seen = [over(await admit(ledger, who, watched, real)) for _ in range(4)]
    assert seen == [[False, False], [True, False], [True, False], [True, True]]


async def test_the_same_turn_asking_twice_counts_once(ledger, who):
    for _ in range(3):
        memory = await admit(ledger, who, limit(1), turn="same")
        assert over(memory) == [False]


async def test_exempt_uncounted_and_silenced_turns_cost_nothing(ledger, who):
    assert (await admit(ledger, who, limit(1), exempt=True)).counts == ()
    assert over(await admit(ledger, who, limit(1), counted=False)) == [False]
    await close(ledger, who, opted_out=True)
    assert (await admit(ledger, who, limit(1))).counts == ()
    await close(ledger, who, opted_out=False)
    assert over(await admit(ledger, who, limit(1))) == [False]
    assert over(await admit(ledger, who, limit(1))) == [True]


async def test_a_request_for_a_person_passes_a_full_window(ledger, who):
    await admit(ledger, who, limit(1))
    assert (await admit(ledger, who, limit(1), exempt=True)).counts == ()
    assert over(await admit(ledger, who, limit(1))) == [True]


@pytest.mark.parametrize(
    ("per", "other", "shared"),
    [
        ("user", {"person": "q"}, False), ("user", {"conversation": "q"}, True),
        ("conversation", {"conversation": "q"}, False), ("conversation", {"person": "q"}, True),
        ("business", {"person": "q", "conversation": "q", "caller": "q"}, True),
        ("key", {"caller": "q"}, False), ("key", {"person": "q", "conversation": "q"}, True),
    ],
)  # fmt: skip
async def test_whom_a_limit_counts(ledger, who, per, other, shared):
    await admit(ledger, who, limit(1, per=per))
    assert over(await admit(ledger, who | other, limit(1, per=per))) == [shared]


async def test_with_no_person_named_limits_count_per_key(ledger, who):
    nobody = who | {"person": None, "conversation": None}
    for per in ("user", "conversation"):
        await admit(ledger, nobody, limit(1, per=per, id=per))
        assert over(await admit(ledger, nobody, limit(1, per=per, id=per))) == [True]
        assert over(await admit(ledger, nobody | {"caller": "q"}, limit(1, per=per, id=per))) == [
            False
        ]


async def test_tokens_are_reserved_settled_and_given_back(ledger, who):
    tokens = limit(100, of="tokens")
    first = fresh("t")
    assert over(await admit(ledger, who, tokens, turn=first, tokens=80)) == [False]
    assert over(await admit(ledger, who, tokens, tokens=30)) == [True]
    await close(ledger, who, turn=first, limits=(tokens,), spent=20)
    second = fresh("t")
    assert over(await admit(ledger, who, tokens, turn=second, tokens=80)) == [False]
    assert over(await admit(ledger, who, tokens, tokens=1)) == [True]
    await close(ledger, who, turn=second, limits=(tokens,), spent=0)  # failed: all given back
    memory = await admit(ledger, who, tokens, tokens=80)
    assert (over(memory), memory.counts[0].used) == ([False], 100)


async def test_tokens_leave_the_window_with_their_turn(ledger, who):
    tokens = limit(100, 10.0, of="tokens")
    await admit(ledger, who, tokens, tokens=100)
    assert over(await admit(ledger, who, tokens, tokens=1, now=T + 9)) == [True]
    assert over(await admit(ledger, who, tokens, tokens=100, now=T + 10)) == [False]


async def test_three_thousand_at_once_against_six_in_ten_minutes_are_six(ledger, who):
    memories = await asyncio.gather(
        *(admit(ledger, who, limit(6, 600.0), now=None) for _ in range(3000))
    )
    assert sum(over(memory) == [False] for memory in memories) == 6


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    most=st.integers(1, 4),
    window=st.integers(1, 20),
    gaps=st.lists(st.integers(0, 8), min_size=1, max_size=15),
)
async def test_no_window_ever_holds_more_than_its_limit_and_none_is_refused_below(
    connection, most, window, gaps
):
    ledger, me = Conversations(connection), fresh("p")
    who = {"business": "prop", "caller": "k", "person": me, "conversation": me}
    passed: list[float] = []
    now = T
    for gap in gaps:
        now += gap
        within = [at for at in passed if at > now - window]
        refused = over(await admit(ledger, who, limit(most, float(window)), now=now)) == [True]
        assert refused is (len(within) >= most)
        if not refused:
            passed.append(now)


async def test_a_closed_turn_is_a_duplicate_and_closing_twice_changes_nothing(
    ledger, who, connection
):
    assert not (await admit(ledger, who, turn="one")).duplicate
    await close(ledger, who, turn="one", record={"id": "one", "n": 1})
    await close(ledger, who, turn="one", record={"id": "one", "n": 2}, off_topic=True)
    memory = await admit(ledger, who, turn="one")
    assert (memory.duplicate, memory.turns, memory.off_topic) == (True, 1, 0)
    assert await decision(connection, "nobody") is None


async def test_a_decision_is_found_by_its_id(ledger, who, connection):
    name = fresh("dec")
    await close(ledger, who, turn=name, record={"id": name, "verdict": "allow"})
    assert await decision(connection, name) == {"id": name, "verdict": "allow"}


async def test_what_a_turn_leaves_is_what_the_next_one_recalls(ledger, who):
    lines = (Line(Role.USER, "rye?"), Line(Role.ASSISTANT, "Yes: é 👍"))
    await close(ledger, who, verdict="redirect", rule="drift", offered="desk", language="id",
                disclosed=True, off_topic=True, lines=lines)  # fmt: skip
    memory = await admit(ledger, who)
    assert (memory.last_verdict, memory.last_rule, memory.offered) == ("redirect", "drift", "desk")
    assert (memory.language, memory.disclosed, memory.turns, memory.off_topic) == ("id", True, 1, 1)
    assert memory.history == lines


async def test_drift_looks_at_the_last_turns_only_and_throttled_ones_do_not_count(ledger, who):
    for off in (True, True, False, False, True):
        await close(ledger, who, off_topic=off)
    await close(ledger, who, verdict="throttle", rule="limits.a")
    assert (await admit(ledger, who, drift_window=3)).off_topic == 1
    assert (await admit(ledger, who, drift_window=6)).off_topic == 3
    assert (await admit(ledger, who)).last_verdict == "allow"


async def test_history_keeps_the_last_lines(ledger, who):
    for i in range(15):
        await close(ledger, who, lines=(Line(Role.USER, f"q{i}"), Line(Role.ASSISTANT, f"a{i}")))
    history = (await admit(ledger, who)).history
    assert (len(history), history[0].text, history[-1].text) == (20, "q5", "a14")


async def test_of_nobody_nothing_is_remembered(ledger, who):
    nobody = who | {"person": None, "conversation": None}
    await close(ledger, nobody, lines=(Line(Role.USER, "x"),), off_topic=True, disclosed=True)
    memory = await admit(ledger, nobody)
    assert (memory.turns, memory.history, memory.off_topic) == (0, (), 0)


def case(
    name: str, *, pauses: bool = True, reason: str = "help", errands: tuple[Errand, ...] = ()
) -> Case:
    kind = "human" if pauses else "phone"
    return Case(
        id=name,
        channel=kind,
        kind=kind,
        rule="escalation.ask",
        pauses=pauses,
        language="en",
        reason=reason,
        errands=errands,
    )


async def test_a_second_request_adds_to_the_open_case(ledger, who, connection):
    first, second = fresh("esc_"), fresh("esc_")
    assert await close(ledger, who, verdict="escalate", case=case(first)) == first
    assert await close(ledger, who, verdict="escalate", case=case(second)) == first
    kept = await Escalations(connection).show(first)
    assert (kept.asks, kept.status, kept.reason, kept.opened) == (2, "open", "help", T)
    assert (await admit(ledger, who)).escalation == first


@pytest.mark.parametrize(("pauses", "phase"), [(True, Phase.WAITING), (False, Phase.BOT)])
async def test_only_a_person_in_the_chat_pauses_the_bot(ledger, who, pauses, phase):
    await close(ledger, who, verdict="escalate", case=case(fresh("esc_"), pauses=pauses))
    assert (await admit(ledger, who)).phase is phase


async def test_the_bot_goes_on_when_nobody_came_in_time(ledger, who):
    await close(ledger, who, verdict="escalate", case=case(fresh("esc_")), resume_after=100.0)
    assert (await admit(ledger, who, now=T + 99)).phase is Phase.WAITING
    assert (await admit(ledger, who, now=T + 100)).phase is Phase.BOT
    assert (await admit(ledger, who, now=T + 1)).phase is Phase.BOT


async def test_while_a_person_talks_no_limit_counts(ledger, who):
    await close(ledger, who, verdict="escalate", case=case(fresh("esc_")))
    assert (await admit(ledger, who, limit(1))).counts == ()


async def test_after_a_case_is_resolved_a_request_opens_a_new_one(ledger, who, connection):
    first, second = fresh("esc_"), fresh("esc_")
    await close(ledger, who, verdict="escalate", case=case(first))
    await Escalations(connection).move(first, Move.RESOLVE, "sri")
    assert await close(ledger, who, verdict="escalate", case=case(second)) == second


async def test_what_is_used_of_a_limit_follows_a_person_to_their_one_name(ledger, who, connection):
    people, limits = People(connection), (limit(9), limit(900, id="t", of="tokens"))
    phone, bsuid = fresh("phone"), fresh("DE.")
    for name, turns in ((phone, 2), (bsuid, 3)):
        for _ in range(turns):
            await admit(ledger, who | {"person": name}, *limits, tokens=10)
    name = await people.meet(who["business"], (phone, bsuid), limits=("a", "t"))
    memory = await admit(ledger, who | {"person": name}, *limits, tokens=10)
    assert [count.used for count in memory.counts] == [6, 60]
    again = await people.meet(who["business"], (phone, bsuid), limits=("a", "t"))
    assert again == name
    memory = await admit(ledger, who | {"person": name}, *limits, tokens=10)
    assert [count.used for count in memory.counts] == [7, 70]


async def test_a_line_is_remembered_once_and_recalled(ledger, who, connection):
    people = People(connection)
    for line in (Line(Role.USER, "is it late?", ("w1",)), Line(Role.ASSISTANT, "no", ("d1",))):
        for _ in range(2):
            await people.heard(who["business"], who["conversation"], line)
    memory = await admit(ledger, who)
    assert [(line.role, line.text) for line in memory.history] == [
        (Role.USER, "is it late?"), (Role.ASSISTANT, "no"),
    ]  # fmt: skip
