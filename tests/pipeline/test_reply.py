"""The words for each verdict, in the customer's language."""

import pytest

from guardproxy.core.phases import Phase
from guardproxy.core.verdict import Allow, Drop, Escalate, Redirect, Rewrite, Throttle
from guardproxy.pipeline.reply import disclosure, readable, reply_to, topics_of
from guardproxy.policy import packs
from tests.stages.fakes import policy

MADE = policy()
DESK, PHONE = MADE.escalation.channels["desk"], MADE.escalation.channels["phone"]


def said(verdict, *, language="en", channel=PHONE, phase=Phase.BOT, of=MADE):
    return reply_to(verdict, of, language=language, channel=channel, phase=phase)


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("scope.off_topic", "redirect"), ("scope.refuse.diets", "redirect"), ("drift", "redirect"),
        ("input.injection", "redirect"), ("output.off_topic", "redirect"), ("rules.x", "redirect"),
        ("input.max_chars", "too_long"), ("input.unscannable.audio", "unscannable"),
        ("on_failure.answer", "on_failure"), ("on_failure.upstream", "on_failure"),
        ("limits.x", "redirect"), ("scope.unsure", "redirect"),
    ],
)  # fmt: skip
def test_a_refusal_has_the_words_of_its_reason(rule, word):
    start = packs.pack("en").replies[word].split("{")[0]
    assert said(Redirect(rule)).startswith(start)


def test_a_refusal_names_topics_and_a_way_to_a_person():
    text = said(Redirect("scope.off_topic"))
    assert "bread, cakes and jobs" in text
    assert "+31 30 555 0101" in text


def test_a_doubt_is_asked_about_where_the_policy_says_so():
    text = said(Redirect("scope.unsure"), of=policy(unsure="clarify"))
    assert text.startswith("I am not sure I understood")


def test_escalations_say_who_comes_or_where_to_go():
    ask = Escalate("escalation.ask")
    assert "right here" in said(ask, channel=DESK)
    assert "+31 30 555 0101" in said(ask)
    assert said(ask, phase=Phase.HUMAN) is None
    assert said(ask, channel=DESK, phase=Phase.WAITING)


@pytest.mark.parametrize(("seconds", "minutes"), [(0, "1"), (59, "1"), (61, "2"), (7200, "120")])
def test_a_throttle_says_how_long_in_whole_minutes(seconds, minutes):
    assert f"about {minutes} min" in said(Throttle("limits.x", retry_after=seconds))


def test_silence_and_answers():
    assert said(Allow()) is None
    assert said(Rewrite("output.pii", "masked")) == "masked"
    assert said(Drop("duplicate")) is None
    assert "START" in said(Drop("opt_out.stop"))


@pytest.mark.parametrize("language", packs.languages())
@pytest.mark.parametrize(
    "verdict",
    [
        Redirect("scope.off_topic"),
        Redirect("on_failure.x"),
        Escalate("x"),
        Throttle("x", retry_after=9),
    ],
)
def test_no_blank_is_left_in_any_language(language, verdict):
    made = policy(languages=(language,), packs={language: packs.pack(language)})
    for channel in (DESK, PHONE):
        text = said(verdict, language=language, of=made, channel=channel)
        assert text
        assert "{" not in text
        assert readable(channel, packs.pack(language)) in text
    assert "Rye Bakery" in disclosure(made, language)


def test_own_words_are_laid_over_the_packs():
    made = policy('replies: {en: {redirect: "Only {topics}. Ask {channel}."}}')
    assert (
        said(Redirect("scope.off_topic"), of=made)
        == "Only bread, cakes and jobs. Ask +31 30 555 0101."
    )
    assert said(Redirect("scope.off_topic"), of=made, language="id").startswith("Maaf")


def test_up_to_four_topics_are_named_and_without_any_what_the_business_does():
    many = policy(topics=tuple(MADE.topics[0] for _ in range(6)))
    assert topics_of(many, many.pack("en")) == "bread, bread, bread and bread"
    assert topics_of(policy(topics=()), MADE.pack("en")) == "bread and cakes"
