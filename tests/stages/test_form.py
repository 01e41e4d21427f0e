"""What may leave, and in what form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.core.text import sentences
from guardproxy.core.verdict import Allow, Redirect, Rewrite
from guardproxy.stages.form import Form, shorten
from tests.stages.fakes import Reader, policy, turn

LINKS = "output: {max_chars: 60, links: {allow: [wa.me, rye.example]}}"


async def decided(answer: str, hosts: tuple[str, ...] = (), more: str = LINKS):
    stage, of = Form(policy(more), Reader(hosts=hosts)), turn().answered(answer)
    return stage.decide(await stage.gather(of), of)


async def test_a_plain_answer_leaves_as_it_is():
    assert (await decided("Rye is 3 euros.")).verdict == Allow()


@pytest.mark.parametrize("answer", ["The SECRET  dough, of course", "secret\u200b dough"])
async def test_a_secret_is_found_however_it_is_spelt(answer):
    decision = await decided(answer)
    assert decision.verdict == Redirect("business.never")


@pytest.mark.parametrize(
    ("host", "passes"),
    [("wa.me", True), ("shop.rye.example", True), ("evilrye.example", False), ("x.com", False)],
)
async def test_links_lead_only_where_they_may(host, passes):
    decision = await decided("look", hosts=(host,))
    assert (decision.verdict == Allow()) is passes
    assert passes or decision.verdict == Redirect("output.links")


async def test_without_a_list_any_link_may_leave():
    assert (await decided("look", hosts=("x.com",), more="")).verdict == Allow()


async def test_a_number_is_masked_and_a_long_answer_cut():
    assert (await decided("Card 4111.")).verdict == Rewrite("output.pii", "Card ****.")
    long = "One sentence of thirty letters. " * 3
    assert (await decided(long)).verdict == Rewrite(
        "output.max_chars", "One sentence of thirty letters."
    )


@given(st.text(max_size=300), st.integers(2, 200))
def test_a_shortened_text_fits_and_begins_as_before(text, most):
    short = shorten(text, most)
    assert len(short) <= most
    if len(text) <= most:
        assert short == text
    else:
        kept = "".join(short.removesuffix("…").split())
        assert "".join(text.split()).startswith(kept)


@given(st.text(max_size=300), st.integers(50, 200))
def test_a_cut_falls_between_sentences_where_it_can(text, most):
    first = sentences(text)[:1]
    if len(text) > most and first and len(first[0]) < most:
        assert not shorten(text, most).endswith("…") or text.strip().startswith("…") or "…" in text
