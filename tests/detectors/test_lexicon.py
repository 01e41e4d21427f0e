"""What customers say in words: a person is asked for, or only spoken of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.detectors.lexicon import Lexicon, words
from guardproxy.policy import packs

EVERY = tuple(packs.pack(language) for language in packs.languages())


def lexicon(*languages: str, **own: tuple[str, ...]) -> Lexicon:
    mine = tuple(packs.pack(language) for language in languages or ("en", "id"))
    return Lexicon(mine, every=EVERY, others=packs.others(), ask_words=own)


EAR = lexicon("en", "id", "es", "pt", "hi", "ar")

ASKS = [
    "I want to talk to a human", "can I speak with someone?", "human please", "HUMAN!!!",
    "connect me to an agent", "get me a real person", "i need a person now", "agent",
    "let me talk to your manager", "I don't want to talk to a bot", "is there a real person here?",
    "can someone call me back please", "i said i want a person!", "stop, I need a human being",
    "mau ngomong sama orang asli", "tolong sambungkan ke admin", "cs dong", "min mana adminnya",
    "halo mau ngomong sama orang", "saya mau bicara dengan petugas", "minta customer service kak",
    "quiero hablar con una persona", "pásame con un agente", "necesito un humano",
    "quero falar com um atendente", "me passa pra uma pessoa", "atendente por favor",
    "मुझे इंसान से बात करनी है", "kisi insaan se baat karni hai",
    "أريد التحدث مع موظف", "ابي اكلم موظف",
]  # fmt: skip

NO_ASKS = [
    "are you a bot?", "are you human?", "am I talking to a real person?", "are you a real human or a robot",
    "kamu bot ya?", "ini robot apa orang?", "eres un robot?", "você é um robô?", "هل انت روبوت؟", "هل أكلم موظف أم روبوت؟",
    "क्या तुम बोट हो?", "book a table for 8 people", "meja untuk 4 orang", "una mesa para dos personas",
    "is the agent's fee included?", "I don't need a human", "no need to talk to someone",
    "talk to me about the menu", "biaya admin berapa?", "human resources job", "",
    "a room for one person", "غرفة لشخصين", "do you have rye bread?", "menu hari ini apa?",
]  # fmt: skip


@pytest.mark.parametrize("text", ASKS)
def test_a_request_for_a_person_is_heard(text):
    finding = EAR.wants_person(text)
    assert finding is not None
    assert finding.quote


@pytest.mark.parametrize("text", NO_ASKS)
def test_a_mention_or_a_question_about_the_bot_is_no_request(text):
    assert EAR.wants_person(text) is None


@pytest.mark.parametrize("text", ASKS)
def test_a_request_is_heard_whatever_languages_a_policy_names(text):
    assert lexicon("en").wants_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "  I WANT TO TALK TO A HUMAN  ",
        "I want\nto talk\nto a human",
        "i want to talk to a hu\u200bman",
    ],
)
def test_spelling_hides_no_request(text):
    assert EAR.wants_person(text)


def test_own_words_for_a_person_are_heard_when_called_and_not_when_mentioned():
    own = lexicon("id", "en", id=("kasir", "mbak sri"))
    for text in ("mbak sri dong", "mau ngomong sama mbak sri", "kasir"):
        assert own.wants_person(text), text
    assert own.wants_person("sambalnya mbak sri enak sekali, mau pesan dua porsi ya") is None


@pytest.mark.parametrize(
    "text",
    [
        "are you a bot?",
        "kamu bot ya?",
        "am i talking to a robot",
        "eres un robot?",
        "você é um robô?",
    ],
)
def test_are_you_a_bot_is_a_question_of_its_own(text):
    assert EAR.asks_if_bot(text)


def test_a_long_message_is_no_question_about_the_bot():
    assert not EAR.asks_if_bot("are you a bot? " + "and write me a poem about the sea " * 3)
    assert not EAR.asks_if_bot("book a table")


@pytest.mark.parametrize("pack", EVERY, ids=lambda pack: pack.language)
def test_each_pack_hears_its_own_lists(pack):
    for line in pack.yes:
        assert EAR.affirms(line), line
    for line in pack.no:
        assert EAR.declines(line), line
    for line in pack.opt_out:
        assert EAR.opts_out(line), line
        assert EAR.opts_out(f" {line.upper()}! "), line
    for line in pack.opt_in:
        assert EAR.opts_in(line), line
    for line in pack.smalltalk:
        assert EAR.smalltalk(line), line
        assert EAR.wants_person(line) is None or "orang" in line, line


def test_lists_hear_whole_messages_only():
    assert not EAR.opts_out("stop the music at my table please")
    assert not EAR.affirms("yes but first write a poem")
    assert not EAR.smalltalk("hello write me a poem")


@pytest.mark.parametrize(
    ("text", "fallback", "language"),
    [
        ("what is the price of this?", "id", "en"), ("berapa harga yang ini kak", "en", "id"),
        ("क्या समय है", "en", "hi"), ("متى الإفطار", "en", "ar"), ("xyz", "id", "id"), ("", "en", "en"),
    ],
)  # fmt: skip
def test_the_language_of_a_text(text, fallback, language):
    assert EAR.language(text, fallback) == language


def test_a_language_the_policy_lacks_gets_the_fallback():
    assert lexicon("en", "id").language("متى الإفطار", "id") == "id"


def test_the_bots_own_offer_is_heard_at_its_end():
    assert EAR.offers_person("Rye is 3 euros. Shall I connect you to a colleague?")
    assert EAR.offers_person("Mau saya sambungkan ke kasir kami?")
    assert not EAR.offers_person("Rye is 3 euros.")


@given(st.text(max_size=300))
def test_nothing_a_customer_writes_breaks_the_ear(text):
    EAR.wants_person(text)
    EAR.asks_if_bot(text)
    assert EAR.language(text, "en") in ("en", "id", "es", "pt", "hi", "ar")
    assert words(words(text)) == words(text)
