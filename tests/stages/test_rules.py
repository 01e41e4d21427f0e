"""The business's own rules: the first that matches decides."""

import pytest

from guardproxy.core.verdict import Allow, Drop, Escalate, Redirect
from guardproxy.stages.rules import Rules
from guardproxy.stages.scope import ScopeReading
from tests.stages.fakes import Reader, policy, turn


async def decided(
    rules: str, text: str = "hello", reader: Reader | None = None, kind: str = "text"
):
    reader = reader or Reader()
    stage, of = Rules(policy(f"rules: [{rules}]"), reader, reader), turn(text, kind=kind)
    return stage.decide(await stage.gather(of), of)


async def test_no_rules_no_look():
    assert (await decided("")).verdict == Allow()


@pytest.mark.parametrize(
    ("then", "verdict"),
    [
        ("allow", Allow("rules.a")), ("redirect", Redirect("rules.a")), ("drop", Drop("rules.a")),
        ("escalate, to: form", Escalate("rules.a", to="form")),
    ],
)  # fmt: skip
async def test_what_a_rule_leads_to(then, verdict):
    assert (await decided(f"{{id: a, when: {{any_word: hello}}, then: {then}}}")).verdict == verdict


@pytest.mark.parametrize(
    ("when", "text", "hits"),
    [
        ("any_word: cafe", "the Café!", True), ("any_word: cafe", "cafeteria", False),
        ("any_word: [x, big group]", "A BIG  group of us", True), ("any_word: kue", "mau kue", True),
        ("any_word: c++", "a c++ cake", True), ("any_word: رز", "عندك رز؟", True),
        (r"matches: '(?i)for \d{2,} people'", "For 30 people", True),
        (r"matches: '^\d+$'", "30 people", False),
        ("any_word: bread, matches: rye", "bread of wheat", False),
        ("any_word: bread, matches: rye", "bread of rye", True),
        ("language: en", "x", True), ("language: id", "x", False),
        ("kind: [image, text]", "x", True), ("kind: image", "x", False),
    ],
)  # fmt: skip
async def test_all_that_is_given_must_hold(when, text, hits):
    decision = await decided(f"{{id: a, when: {{{when}}}, then: drop}}", text)
    assert (decision.verdict == Drop("rules.a")) is hits


async def test_the_first_match_wins():
    rules = "{id: a, when: {any_word: no}, then: drop}, {id: b, when: {any_word: hello}, then: redirect}, {id: c, when: {any_word: hello}, then: drop}"
    assert (await decided(rules)).verdict == Redirect("rules.b")


async def test_a_rule_in_shadow_lets_the_next_one_try():
    shadow = "{id: a, when: {any_word: hello}, then: drop, mode: shadow}"
    both = await decided(f"{shadow}, {{id: b, when: {{any_word: hello}}, then: redirect}}")
    assert (both.verdict, both.shadow) == (Redirect("rules.b"), False)
    alone = await decided(shadow)
    assert (alone.verdict, alone.shadow) == (Drop("rules.a"), True)


async def test_a_topic_is_looked_up_only_when_a_rule_asks():
    reader = Reader(reading=ScopeReading(score=0.1, topic="bread"))
    await decided("{id: a, when: {any_word: x}, then: drop}", reader=reader)
    assert reader.looks == []
    found = await decided("{id: a, when: {topic: bread}, then: drop}", reader=reader)
    assert (found.verdict, len(reader.looks)) == (Drop("rules.a"), 1)
    other = await decided("{id: a, when: {topic: cakes}, then: drop}", reader=reader)
    assert other.verdict == Allow()
