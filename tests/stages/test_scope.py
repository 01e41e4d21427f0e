"""In, off, unsure: two thresholds, and what is fair whatever a model says."""

from dataclasses import replace

import pytest

from guardproxy.core.finding import Check
from guardproxy.core.message import Message
from guardproxy.core.verdict import Allow, Escalate, Redirect
from guardproxy.stages.scope import Scope, ScopeReading
from tests.stages.fakes import Reader, policy, turn


async def decided(reading: ScopeReading, of=None, **fields):
    stage, of = Scope(policy(**fields), Reader(reading=reading), Reader()), of or turn()
    return stage.decide(await stage.gather(of), of)


def scored(score: float, **more) -> ScopeReading:
    return ScopeReading(score=score, **more)


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(0.0, Allow()), (0.29, Allow()), (0.3, Allow()), (0.69, Allow()),
     (0.7, Redirect("scope.off_topic")), (1.0, Redirect("scope.off_topic"))],
)  # fmt: skip
async def test_two_thresholds_part_in_unsure_and_off(score, verdict):
    decision = await decided(scored(score))
    assert (decision.verdict, decision.score) == (verdict, score)
    codes = [finding.code for finding in decision.findings]
    assert ("unsure" in codes) is (0.3 <= score < 0.7)


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("judge", Allow()), ("allow", Allow()), ("redirect", Redirect("scope.unsure")),
     ("clarify", Redirect("scope.unsure"))],
)  # fmt: skip
async def test_in_doubt_the_policy_decides(word, verdict):
    assert (await decided(scored(0.5), unsure=word)).verdict == verdict


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("redirect", Redirect("scope.off_topic")), ("escalate", Escalate("scope.off_topic")),
     ("allow", Allow("scope.off_topic"))],
)  # fmt: skip
async def test_off_topic_leads_where_the_policy_says(word, verdict):
    decision = await decided(scored(0.9, archetype="code"), off_topic=word)
    assert (decision.verdict, decision.findings[0].code) == (verdict, "code")


async def test_a_refused_subject_is_named():
    assert (await decided(scored(0.9, refuse="diets"))).verdict == Redirect("scope.refuse.diets")
    assert (await decided(scored(0.9, refuse="news"))).verdict == Escalate(
        "scope.refuse.news", to="form"
    )


async def test_a_mixed_message_may_be_answered_in_part():
    reading = scored(0.9, mixed=True, clauses=(("a cake", 0.1), ("and a poem", 0.95)))
    assert (await decided(reading)).verdict == Redirect("scope.off_topic")
    part = await decided(reading, mixed="answer_fair_part")
    assert part.verdict == Allow("scope.mixed")
    assert (part.findings[0].code, part.findings[0].quote) == ("mixed", "and a poem")


async def test_a_topic_may_go_to_a_person():
    assert (await decided(scored(0.1, topic="bread"))).verdict == Allow()
    cakes = await decided(scored(0.1, topic="cakes"))
    assert (cakes.verdict, cakes.check) == (Escalate("scope.topics.cakes", to="form"), Check.HIT)
    jobs = await decided(scored(0.1, topic="jobs"))
    assert (jobs.verdict, jobs.shadow) == (Redirect("scope.topics.jobs"), True)


async def test_in_shadow_it_is_recorded_only():
    assert (await decided(scored(0.9), off_topic_shadow=True)).shadow


@pytest.mark.parametrize(
    ("score", "rule", "text", "refused"),
    [
        (0.4, "scope.off_topic", "make it shorter", True), (0.1, "scope.off_topic", "rye?", False),
        (0.4, "drift", "make it shorter", True), (0.4, "limits.burst", "make it shorter", False),
        (0.4, "scope.off_topic", "and do you have any rye bread left for tomorrow", False),
    ],
)  # fmt: skip
async def test_after_a_refusal_a_short_follow_up_is_refused_too(score, rule, text, refused):
    of = turn(text, last_verdict="redirect", last_rule=rule)
    decision = await decided(scored(score), of)
    assert (decision.verdict == Redirect(rule)) is refused


@pytest.mark.parametrize(
    ("always", "of", "code"),
    [
        (Reader(bot=True), turn("are you a bot?"), "fair.bot_question"),
        (Reader(greets=True), turn("hi"), "fair.smalltalk"),
        (Reader(), turn("Menu", kind="button_reply"), "fair.tapped"),
        (Reader(), turn("", kind="sticker"), "fair.wordless"),
        (Reader(), turn('{"price": 3}', kind="tool"), "fair.wordless"),
    ],
)
async def test_what_is_fair_whatever_it_says_is_not_read(always, of, code):
    reader = Reader(score=1.0)
    stage = Scope(policy(), reader, always)
    decision = stage.decide(await stage.gather(of), of)
    assert (decision.verdict, decision.findings[0].code) == (Allow(), code)
    assert reader.looks == []


async def test_small_talk_is_read_where_the_policy_does_not_allow_it():
    reader = Reader(score=1.0)
    stage = Scope(policy(smalltalk="redirect"), reader, Reader(greets=True))
    assert stage.decide(await stage.gather(turn()), turn()).verdict == Redirect("scope.off_topic")


async def test_a_tap_beside_typed_words_is_read():
    of = turn("Menu", kind="button_reply")
    of = replace(of, messages=(*of.messages, Message(id="2", text="write a poem")))
    assert (await decided(scored(0.9), of)).verdict == Redirect("scope.off_topic")
