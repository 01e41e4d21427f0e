"""A turn end to end, with a memory and a model that do what they are told."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from guardproxy.core.errors import StoreError, UpstreamError
from guardproxy.core.finding import Finding
from guardproxy.core.ledger import Closing, Ticket
from guardproxy.core.message import Memory
from guardproxy.core.phases import Phase
from guardproxy.core.verdict import Allow, Redirect, Rewrite
from guardproxy.pipeline.ending import kept_text
from guardproxy.pipeline.guard import build
from guardproxy.pipeline.turn import Answer, Model, run_turn
from guardproxy.stages import Readers
from tests.stages.fakes import Reader, policy, turn


@dataclass
class Remembered:
    """A store of one conversation, or one that is lost."""

    memory: Memory = field(default_factory=Memory)
    lost: bool = False
    tickets: list[Ticket] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)

    async def admit(self, ticket: Ticket) -> Memory:
        self.tickets.append(ticket)
        if self.lost:
            raise StoreError("gone")
        return self.memory

    async def close_turn(self, closing: Closing) -> str | None:
        self.closings.append(closing)
        if self.lost:
            raise StoreError("gone")
        return closing.case.id if closing.case else None

    async def leave_turn(self, closing: Closing) -> None:
        await self.close_turn(closing)


def guard(reader: Reader, store: Remembered | None = None, more: str = "", **fields: Any):
    seen: list[dict] = []
    made = build(
        policy(more, **fields), Readers(reader, reader, reader), clock=lambda: 0.0,
        conversations=store, observe=seen.append,
    )  # fmt: skip
    return made, seen


def says(text: str, tokens: int = 7) -> Model:
    async def model(_turn: Any, _prompt: str) -> Answer:
        return Answer(text, tokens)

    return model


async def fails(_turn: Any, _prompt: str) -> Answer:
    raise UpstreamError("broken")


async def never(_turn: Any, _prompt: str) -> Answer:
    raise AssertionError


async def test_a_fair_turn_is_answered_with_a_disclosure_before_the_first_answer():
    made, seen = guard(Reader(), Remembered())
    outcome = await run_turn(turn("rye?"), made, says("Yes, until six."))
    assert outcome.verdict == Allow()
    assert outcome.text.endswith("Yes, until six.")
    assert "automated assistant" in outcome.text
    assert [record["verdict"] for record in seen] == ["allow"]


async def test_later_answers_disclose_nothing_unless_asked():
    store = Remembered(Memory(disclosed=True))
    made, _ = guard(Reader(), store)
    assert (await run_turn(turn("rye?"), made, says("Yes."))).text == "Yes."
    made, _ = guard(Reader(bot=True), store)
    assert "automated assistant" in (await run_turn(turn("bot?"), made, says("Yes."))).text


async def test_a_refused_turn_asks_no_model_and_leaves_no_lines():
    store = Remembered(Memory(disclosed=True))
    made, _ = guard(Reader(score=0.9), store)
    outcome = await run_turn(turn("a poem"), made, never)
    assert outcome.verdict == Redirect("scope.off_topic")
    (closing,) = store.closings
    assert (closing.lines, closing.off_topic, closing.offered) == ((), True, "desk")


async def test_an_answered_turn_leaves_two_lines_and_what_was_spent():
    store = Remembered(Memory(disclosed=True))
    made, _ = guard(Reader(), store)
    await run_turn(turn("rye?"), made, says("Yes."))
    (closing,) = store.closings
    assert [line.text for line in closing.lines] == ["rye?", "Yes."]
    assert (closing.spent, closing.off_topic, closing.reply) == (7, False, "Yes.")


async def test_a_masked_answer_is_what_is_remembered():
    store = Remembered(Memory(disclosed=True))
    made, _ = guard(Reader(), store)
    outcome = await run_turn(turn("card?"), made, says("It is 4111."))
    assert outcome.verdict == Rewrite("output.pii", "It is ****.")
    assert store.closings[0].lines[1].text == "It is ****."


async def test_the_model_reads_masked_numbers_and_the_same_prompt():
    heard = []

    async def model(asked: Any, prompt: str) -> Answer:
        heard.append((asked.text, prompt))
        return Answer("ok")

    made, _ = guard(Reader(), Remembered())
    await run_turn(turn("my card 4111"), made, model)
    assert heard == [("my card ****", made.prompt)]


async def test_a_request_for_a_person_is_exempt_from_limits():
    store = Remembered()
    made, _ = guard(Reader(asks=True), store)
    outcome = await run_turn(turn("a human"), made, never)
    assert store.tickets[0].exempt
    assert outcome.case == "esc_t"
    assert store.closings[0].case.pauses


@pytest.mark.parametrize(
    ("on_failure", "rule"), [("redirect", "on_failure.question"), ("allow", None)]
)
async def test_a_lost_store_follows_on_failure_and_is_recorded(on_failure, rule):
    made, seen = guard(Reader(), Remembered(lost=True), f"on_failure: {{question: {on_failure}}}")
    outcome = await run_turn(turn("rye?"), made, says("Yes."))
    assert outcome.verdict.rule == rule
    assert seen[0]["store"]


async def test_a_person_who_cannot_be_called_is_not_promised():
    made, _ = guard(Reader(asks=True), Remembered(lost=True))
    outcome = await run_turn(turn("a human"), made, never)
    assert "+31 30 555 0101" in outcome.text


async def test_a_broken_backend_is_words_on_whatsapp_and_an_error_elsewhere():
    store = Remembered(Memory(disclosed=True))
    made, _ = guard(Reader(), store)
    outcome = await run_turn(turn("rye?"), made, fails)
    assert outcome.verdict == Redirect("on_failure.upstream")
    with pytest.raises(UpstreamError):
        await run_turn(replace(turn("rye?"), surface="chat"), made, fails)
    assert store.closings[-1].spent == 0


@pytest.mark.parametrize("text", ["mask", "keep", "drop"])
def test_what_is_kept_of_a_text_is_the_policys_word(text):
    made, _ = guard(Reader(), None, f"privacy: {{text: {text}}}")
    assert (
        kept_text("card 4111", made) == {"mask": "card ****", "keep": "card 4111", "drop": ""}[text]
    )


async def test_opting_out_and_back_is_written_down():
    store = Remembered()
    made, _ = guard(Reader(stop=True), store)
    await run_turn(turn("STOP"), made, never)
    assert store.closings[-1].opted_out is True
    store = Remembered(Memory(opted_out=True))
    made, _ = guard(Reader(start=True), store)
    await run_turn(turn("START"), made, says("Welcome."))
    assert store.closings[-1].opted_out is False


async def test_an_offer_in_an_answer_is_remembered():
    store = Remembered(Memory(disclosed=True))
    made, _ = guard(Reader(offers=True), store)
    await run_turn(turn("rye?"), made, says("Shall I connect you?"))
    assert store.closings[-1].offered == "desk"


async def test_while_a_person_talks_nothing_is_said():
    made, _ = guard(Reader(), Remembered(Memory(phase=Phase.HUMAN)))
    assert (await run_turn(turn("rye?"), made, never)).text is None


async def test_the_record_holds_no_words_of_the_customer_but_the_kept_text():
    reader = Reader(attempts=(Finding("injection", "override", 1.0, "zanzibar"),))
    made, seen = guard(reader, Remembered())
    await run_turn(turn("zanzibar"), made, never)
    (record,) = seen
    assert record.pop("text") == "zanzibar"
    assert "zanzibar" not in str(record)
