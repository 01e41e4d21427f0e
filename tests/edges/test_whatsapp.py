"""The bridge: signed webhooks in, guarded replies out through a fake Graph API."""

import asyncio
import json
from pathlib import Path

import pytest

from guardproxy.edges.whatsapp.signature import is_signed, signature
from guardproxy.store.escalations import Escalations
from tests.conftest import APP_SECRET, WARUNG, Rig, said, webhook

FAIR = "booking meja 8 orang"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=4711", 200),
        ("hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=4711", 403),
        ("hub.mode=unsubscribe&hub.verify_token=verify-me&hub.challenge=4711", 403),
        ("hub.verify_token=verify-me&hub.challenge=4711", 403),
        ("", 403),
    ],
)
async def test_handshake(rig, query, status):
    async with rig.session.get(f"{rig.at.public}/whatsapp/webhook?{query}") as response:
        assert response.status == status
        if status == 200:
            assert await response.text() == "4711"
            assert response.content_type == "text/plain"


async def test_a_handshake_does_not_echo_html_as_html(rig):
    query = "hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=<script>1</script>"
    async with rig.session.get(f"{rig.at.public}/whatsapp/webhook?{query}") as response:
        assert response.content_type == "text/plain"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "header", [None, "", "sha256=", "sha1=" + "0" * 40, "sha256=" + "0" * 64, "sha256=ü" * 5]
)
async def test_unsigned_events_are_refused_before_they_are_read(rig, header):
    headers = {} if header is None else {"X-Hub-Signature-256": header}
    async with rig.session.post(
        f"{rig.at.public}/whatsapp/webhook", data=b"{not json", headers=headers
    ) as response:
        assert response.status in (401, 403)
        assert "sha256" not in await response.text()


async def test_four_messages_in_two_entries_are_four_turns(rig):
    numbers = [rig.number() for _ in range(4)]
    messages = [said(n, f"{FAIR} {i}", rig.fresh("wamid")) for i, n in enumerate(numbers)]
    body = webhook(*messages[:3])
    body["entry"].append(webhook(messages[3])["entry"][0])
    assert await rig.deliver(body) == 200
    for number in numbers:
        assert len(await rig.sends(number, 1)) == 1


async def test_the_same_webhook_fifty_times_at_once_is_one_call_and_one_send(rig):
    number, mark = rig.number(), rig.fresh("jam")
    body = webhook(said(number, f"{FAIR} {mark}", rig.fresh("wamid")))
    assert set(await asyncio.gather(*(rig.deliver(body) for _ in range(50)))) == {200}
    await rig.sends(number, 1)
    await asyncio.sleep(0.5)
    assert len(rig.sent_to(number)) == 1
    assert rig.calls_with(mark) == 1


async def test_the_first_reply_discloses_and_later_ones_do_not(rig):
    number = rig.number()
    for text in (FAIR, "menu hari ini apa?"):
        await rig.deliver(webhook(said(number, text, rig.fresh("wamid"))))
        await rig.sends(number, len(rig.sent_to(number)) + 1)
    first, second = rig.sent_to(number)
    assert "otomatis" in first
    assert "otomatis" not in second


async def test_off_scope_is_refused_in_words_and_the_model_is_not_asked(rig):
    number = rig.number()
    await rig.deliver(webhook(said(number, "Bagaimana cuacanya?", rig.fresh("wamid"))))
    (text,) = await rig.sends(number, 1)
    assert "reservasi meja" in text
    assert rig.calls_with("Bagaimana cuacanya") == 0


async def test_messages_of_one_customer_are_answered_in_order_one_at_a_time(rig):
    number = rig.number()
    rig.stub.delay = 0.05
    messages = [said(number, f"{FAIR} nomor {i}", rig.fresh("wamid")) for i in range(5)]
    await rig.deliver(webhook(*messages))
    await rig.sends(number, 5)
    rig.stub.delay = 0.0
    asked = [c["messages"][-1]["content"] for c in rig.stub.calls if "nomor" in str(c)][-5:]
    assert asked == [f"{FAIR} nomor {i}" for i in range(5)]
    history = rig.stub.calls[-1]["messages"]
    assert [m["role"] for m in history[:3]] == ["system", "user", "assistant"]


ASKS = ["I want to talk to a human", "quiero hablar con una persona", "mau ngomong sama orang asli",
        "मुझे इंसान से बात करनी है", "أريد التحدث مع موظف"]  # fmt: skip


@pytest.mark.parametrize("text", ASKS)
async def test_a_request_for_a_person_escalates_and_silences_the_bot(rig, text):
    # the restaurant's cashier is a human channel; at night it says the phone instead
    number, hotel = rig.number(), "106540352242925"
    await rig.deliver(webhook(said(number, text, rig.fresh("wamid")), number=hotel))
    assert len(await rig.sends(number, 1)) == 1
    calls = rig.calls_with("is the pool heated")
    await rig.deliver(webhook(said(number, "is the pool heated", rig.fresh("wamid")), number=hotel))
    await asyncio.sleep(0.6)
    assert len(rig.sent_to(number)) == 1
    assert rig.calls_with("is the pool heated") == calls
    record = [r for r in rig.records if r["verdict"] in ("escalate", "drop")][-2:]
    assert [r["rule"] for r in record] == ["escalation.ask", "escalation.paused"]


async def test_after_a_phone_channel_the_bot_goes_on(rig):
    who = {"x-guardproxy-user": rig.fresh("caller")}
    first = await rig.chat("quiero hablar con una persona", headers=who)
    assert first.headers["x-guardproxy-verdict"] == "escalate"
    assert "+" in first.json_["choices"][0]["message"]["content"]
    second = await rig.chat("what is the fee for a transfer?", headers=who)
    assert second.headers["x-guardproxy-verdict"] == "allow"


async def test_a_person_is_reached_as_the_seventh_message_over_a_limit_of_six(rig):
    number = rig.number()
    for i in range(6):
        await rig.deliver(webhook(said(number, f"{FAIR} {i}", rig.fresh("wamid"))))
    await rig.sends(number, 6)
    await rig.deliver(webhook(said(number, "mau ngomong sama orang asli", rig.fresh("wamid"))))
    await rig.sends(number, 7)
    mine = [r for r in rig.records if r["surface"] == "whatsapp"][-1]
    assert (mine["verdict"], mine["rule"]) == ("escalate", "escalation.ask")


async def test_are_you_a_bot_is_answered_truthfully(rig):
    number = rig.number()
    await rig.deliver(webhook(said(number, "kamu bot ya?", rig.fresh("wamid"))))
    (text,) = await rig.sends(number, 1)
    assert "otomatis" in text


async def test_yes_to_an_offer_escalates_and_no_goes_on(rig):
    yes, no = rig.number(), rig.number()
    for number, answer in ((yes, "ya"), (no, "nggak")):
        await rig.deliver(webhook(said(number, "siapa presiden prancis", rig.fresh("wamid"))))
        await rig.sends(number, 1)
        await rig.deliver(webhook(said(number, answer, rig.fresh("wamid"))))
    await rig.sends(yes, 2)
    await rig.sends(no, 2)
    rules = [r["rule"] for r in rig.records[-4:]]
    assert rules.count("escalation.offer") == 1


async def test_a_second_request_adds_to_the_open_case(rig, connection):
    number, hotel = rig.number(), "106540352242925"
    for text in ("human please", "I said I want a person!"):
        await rig.deliver(webhook(said(number, text, rig.fresh("wamid")), number=hotel))
    await rig.sends(number, 2)
    cases = [c for c in await Escalations(connection).open() if c.reason.startswith("human please")]
    assert [case.asks for case in cases] == [2]


async def test_stop_is_confirmed_once_and_start_brings_the_bot_back(rig):
    number = rig.number()
    for text in ("STOP", FAIR, "START", FAIR):
        await rig.deliver(webhook(said(number, text, rig.fresh("wamid"))))
        await asyncio.sleep(0.3)
    texts = await rig.sends(number, 2)
    assert "MULAI" in texts[0]
    assert any("Mau datang jam berapa" in text for text in texts[1:])


@pytest.mark.parametrize(
    ("kind", "part", "verdict"),
    [
        ("document", {"caption": "Ringkasan PDF ini", "filename": "a.pdf"}, "redirect"),
        ("audio", {"id": "1", "voice": True}, "redirect"),
        ("image", {"caption": FAIR}, "allow"),
        ("sticker", {"id": "1"}, "allow"),
        ("location", {"latitude": 1, "longitude": 2}, "allow"),
    ],
)
async def test_other_kinds_follow_the_policy(rig, kind, part, verdict):
    number, wamid = rig.number(), rig.fresh("wamid")
    message = {"from": number, "id": wamid, "timestamp": "1700000000", "type": kind, kind: part}
    await rig.deliver(webhook(message))
    await rig.sends(number, 1)
    mine = [r for r in rig.records if r["kinds"] == [kind]][-1]
    assert mine["verdict"] == verdict


async def test_every_payload_of_the_wire_is_taken_with_200(rig):
    for body in (
        webhook({"type": "from_2031", "from": rig.number(), "id": rig.fresh("w"), "new": {"a": 1}}),
        webhook({"type": "text"}), webhook({"type": 7, "from": [], "id": {}}),
        {"object": "whatsapp_business_account", "entry": []},
        {"object": "x", "entry": [None, 3, {"changes": [None, {"field": "account_update"}]}]},
        webhook(said(rig.number(), FAIR, rig.fresh("w")), number="000"),
    ):  # fmt: skip
        assert await rig.deliver(body) == 200, body


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"[" * 200_000, b'{"entry": 3}', b"\xff"])
async def test_a_signed_body_that_is_no_webhook_is_400(rig, raw):
    assert await rig.deliver(raw) == 400


async def test_two_secrets_while_rotating(store, tmp_path):
    raw = '{"é": 1}'.encode()
    assert is_signed(raw, signature(raw, "old"), ("new", "old"))
    assert not is_signed(raw, signature(raw, "other"), ("new", "old"))
    assert not is_signed(raw, signature(raw, "old").upper(), ("old",))


async def test_a_model_that_hangs_delays_no_webhook(rig):
    rig.stub.delay = 1.0
    try:
        async with asyncio.timeout(0.5):
            number = rig.number()
            assert await rig.deliver(webhook(said(number, FAIR, rig.fresh("wamid")))) == 200
    finally:
        rig.stub.delay = 0.0
    assert await rig.sends(number, 1)


async def test_a_failing_model_gives_the_customer_words(rig):
    rig.stub.mode = "500"
    try:
        number = rig.number()
        await rig.deliver(webhook(said(number, FAIR, rig.fresh("wamid"))))
        (text,) = await rig.sends(number, 1)
    finally:
        rig.stub.mode = ""
    assert "+62 274 555 0101" in text or "kasir" in text or "chat" in text


async def test_an_empty_answer_is_not_silence(rig):
    before, rig.stub.script = rig.stub.script, {"": "  "}
    try:
        number = rig.number()
        await rig.deliver(webhook(said(number, FAIR, rig.fresh("wamid"))))
        assert len(await rig.sends(number, 1)) == 1
    finally:
        rig.stub.script = before


async def test_logs_and_labels_hold_no_number_and_no_words(rig, caplog):
    number, mark = rig.number(), "zanzibarpepper"
    with caplog.at_level("INFO"):
        await rig.deliver(webhook(said(number, f"{FAIR} {mark}", rig.fresh("wamid"))))
        await rig.sends(number, 1)
    async with rig.session.get(f"{rig.at.admin}/metrics") as response:
        figures = await response.text()
    for secret in (number, mark, APP_SECRET, "EAAG-secret"):
        assert secret not in caplog.text
        assert secret not in figures
    assert "guardproxy_turns_total" in figures


SHARED = Path(__file__).parents[3] / "shared" / "whatsapp" / "fixtures"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the fixtures lie beside the project")
async def test_the_recorded_payloads_are_all_taken(rig: Rig):
    for path in sorted((SHARED / "raw").glob("*.bin")):
        assert await rig.deliver(path.read_bytes()) == 200, path.name
    assert json.loads((SHARED / "webhooks_index.json").read_text())
    assert WARUNG
