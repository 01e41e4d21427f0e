"""What each event of a webhook leads to; the recorded payloads behave as their index says."""

import asyncio
import itertools
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from guardproxy.core.phases import Move
from guardproxy.edges.whatsapp import wire
from guardproxy.edges.whatsapp.inbox import People as Needed
from guardproxy.edges.whatsapp.signature import is_signed
from guardproxy.store.decisions import scanned
from guardproxy.store.escalations import Escalations
from guardproxy.store.people import People
from tests.conftest import said, start_rig, until, webhook
from tests.edges import shop
from tests.edges.shop import NUMBER

SHARED = Path(__file__).parents[3] / "shared" / "whatsapp" / "fixtures"
recorded = pytest.mark.skipif(not SHARED.is_dir(), reason="the recordings lie beside the project")
INDEX = (
    json.loads((SHARED / "webhooks_index.json").read_text()) if SHARED.is_dir() else {"items": []}
)
ITEMS = [pytest.param(item, id=item["name"]) for item in INDEX["items"]]
SIGNED = json.loads((SHARED / "signature_cases.json").read_text()) if SHARED.is_dir() else []
HANDSHAKES = json.loads((SHARED / "handshake_cases.json").read_text()) if SHARED.is_dir() else []
_serial = itertools.count()


@pytest.fixture(scope="module")
async def kettles(store, tmp_path_factory):
    """A rig whose number, secret and token are the recordings'."""
    home = tmp_path_factory.mktemp("kettles")
    async with AsyncExitStack() as stack:
        yield await start_rig(
            stack, store, home, policies=shop.write(home / "policies"),
            whatsapp_app_secret=(SecretStr("tests-app-secret"),
                                 SecretStr("test-app-secret-0123456789abcdef")),
            whatsapp_verify_token=SecretStr("test-verify-token"),
        )  # fmt: skip


async def metric(rig, line: str) -> float:
    async with rig.session.get(f"{rig.at.admin}/metrics") as response:
        text = await response.text()
    found = [row for row in text.splitlines() if row.startswith(line)]
    return float(found[0].split()[-1]) if found else 0.0


KINDS = {"messages": wire.Inbound, "statuses": wire.Status}
EVENTS = {"status": wire.Status, "echo": wire.Echo, "preferences": wire.Preference,
          "identity": wire.Moved, "call": wire.Call, "revoke": wire.Revoked}  # fmt: skip


@recorded
@pytest.mark.parametrize("item", ITEMS)
def test_a_recorded_payload_is_read_as_its_index_says(item):
    raw, expect = (SHARED / item["raw"]).read_bytes(), item["expect"]
    assert is_signed(raw, item["x_hub_signature_256"], (INDEX["app_secret"],))
    pieces = wire.read(raw)
    events = [piece.event for piece in pieces]
    assert events
    assert not any(isinstance(e, wire.Other) and e.kind == "malformed" for e in events)
    kind = expect["kind"]
    if kind in EVENTS:
        assert isinstance(events[0], EVENTS[kind])
    if kind == "batch":
        for name, wanted in (("messages", wire.Inbound), ("statuses", wire.Status)):
            assert sum(isinstance(e, wanted) for e in events) == expect[name]
    if expect.get("text"):
        assert events[0].text.split("\n")[0] == expect["text"]
    assert any(wire.alarm_of(event) for event in events) == bool(expect.get("alarm"))
    if "code" in expect:
        assert events[0].codes == (expect["code"],)
    if kind in ("standby", "handover"):
        assert all(isinstance(event, wire.Passed) and not event.ours for event in events)
    if kind in ("history", "other", "account", "errors"):
        assert all(isinstance(event, wire.Other) for event in events)
    if expect.get("group"):
        assert events[0].kind == "group"
    for piece in pieces:  # each alone says what it said in the batch
        alone = wire.read(json.dumps(piece.body).encode())
        assert [one.event for one in alone] == [piece.event]


@recorded
async def test_the_recorded_payloads_are_taken_and_only_messages_reach_the_model(kettles):
    for item in INDEX["items"]:
        raw = (SHARED / item["raw"]).read_bytes()
        headers = {"X-Hub-Signature-256": item["x_hub_signature_256"]}
        url = f"{kettles.at.public}/whatsapp/webhook"
        async with kettles.session.post(url, data=raw, headers=headers) as response:
            assert response.status == 200, item["name"]
    await asyncio.sleep(1.0)
    asked = json.dumps(kettles.stub.calls)
    for never in ("Potsdam", "this is Tom from the shop", "do you deliver", "Hello all"):
        assert never not in asked
    alarms = [case.rule for case in await Escalations(kettles.at.program.connection).open()
              if case.business == "kettle-shop"]  # fmt: skip
    assert {rule for rule in alarms if rule.startswith("alarm.")} == {
        "alarm.pricing.general_purpose_ai", "alarm.account.account_violation",
        "alarm.account.account_restriction", "alarm.account.disabled_update",
        "alarm.quality.flagged",
    }  # fmt: skip
    assert await metric(kettles, 'guardproxy_alarms_total{kind="pricing.general_purpose_ai"}') == 1


@recorded
@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case["case"])
async def test_a_recorded_signature(kettles, case):
    headers = {}
    if case["header"] is not None:
        headers[case.get("header_name", "X-Hub-Signature-256")] = case["header"]
    url = f"{kettles.at.public}/whatsapp/webhook"
    raw = (SHARED / case["raw"]).read_bytes()
    async with kettles.session.post(url, data=raw, headers=headers) as response:
        assert (response.status == 200) is case["accept"]
        assert response.status in (200, 401, 403)


@recorded
@pytest.mark.parametrize("case", HANDSHAKES)
async def test_a_recorded_handshake(kettles, case):
    url = f"{kettles.at.public}/whatsapp/webhook"
    async with kettles.session.get(url, params=case["query"]) as response:
        wanted = case["status"] if isinstance(case["status"], list) else [case["status"]]
        assert response.status in wanted
        if "body" in case:
            assert await response.text() == case["body"]


def fresh() -> tuple[str, str, str]:
    """A phone, a business-scoped id and a message id nobody had before."""
    n = next(_serial)
    return f"4915990{n:06d}", f"DE.7770{n:012d}", f"wamid.in{n}"


def change(name: str, **value) -> dict:
    """A webhook of one change for the shop's number."""
    value = {"metadata": {"phone_number_id": NUMBER}, **value}
    return {"object": "whatsapp_business_account",
            "entry": [{"id": "1", "changes": [{"field": name, "value": value}]}]}  # fmt: skip


ECHO = {"timestamp": "1", "type": "text", "text": {"body": "Tom here"}, "from": "1"}
ASKS = "my order is late, where is it?"


def ask(phone: str, wamid: str, text: str = ASKS, **more) -> dict:
    return webhook(said(phone, text, wamid, **more), number=NUMBER)


async def test_an_echo_from_the_phone_app_pauses_the_bot_once(kettles, connection):
    phone, bsuid, wamid = fresh()
    echo = change("smb_message_echoes", message_echoes=[{**ECHO, "to": phone, "id": f"e{wamid}"}])
    await kettles.deliver(echo)
    calls = len(kettles.stub.calls)
    await kettles.deliver(ask(phone, wamid, from_user_id=bsuid))
    assert await until(
        lambda: kettles.records and kettles.records[-1]["rule"] == "escalation.paused"
    )
    assert len(kettles.stub.calls) == calls
    assert await metric(kettles, 'guardproxy_webhook_events_total{kind="echo",outcome="paused"}')
    await kettles.deliver(echo)
    assert await metric(kettles, 'guardproxy_webhook_events_total{kind="echo",outcome="duplicate"}')


async def test_a_phone_and_a_business_scoped_id_are_one_person(kettles):
    phone, bsuid, wamid = fresh()
    only = {"from_user_id": bsuid, "id": wamid, "timestamp": "1795000000", "type": "text",
            "text": {"body": ASKS}}  # fmt: skip
    await kettles.deliver(webhook(only, number=NUMBER))
    assert await until(lambda: any(b.get("recipient") == bsuid for _, b in kettles.graph.sends))
    await kettles.deliver(ask(phone, f"{wamid}b", from_user_id=bsuid))
    (text,) = await kettles.sends(phone, 1)
    assert "automated" not in text  # it was told so under the other id
    people = {r["person"] for r in kettles.records[-1:]}
    await kettles.deliver(webhook({**only, "id": f"{wamid}c"}, number=NUMBER))
    assert await until(
        lambda: len(kettles.graph.sends) and kettles.graph.sends[-1][1].get("recipient") == bsuid
    )
    assert people == {r["person"] for r in kettles.records[-1:]}


async def test_a_new_number_takes_the_pause_along(kettles):
    (old, _, wamid), (new, _, other) = fresh(), fresh()
    await kettles.deliver(
        change("smb_message_echoes", message_echoes=[{**ECHO, "to": old, "id": f"e{wamid}"}])
    )
    system = {"from": old, "id": wamid, "timestamp": "1", "type": "system",
              "system": {"type": "user_changed_number", "wa_id": new}}  # fmt: skip
    await kettles.deliver(webhook(system, number=NUMBER))
    await kettles.deliver(ask(new, other))
    assert await until(lambda: kettles.records[-1]["rule"] == "escalation.paused")


async def test_an_edit_is_new_input_and_what_it_replaces_leaves_history(kettles):
    phone, _, wamid = fresh()
    await kettles.deliver(ask(phone, wamid, f"{ASKS} zebra"))
    await kettles.sends(phone, 1)
    edit = {"from": phone, "id": f"{wamid}e", "timestamp": "1795000001", "type": "edit",
            "edit": {"original_message_id": wamid, "message": {"type": "text", "text": {"body": f"{ASKS} giraffe"}}}}  # fmt: skip
    await kettles.deliver(webhook(edit, number=NUMBER))
    await kettles.sends(phone, 2)
    last = json.dumps(kettles.stub.calls[-1])
    assert "giraffe" in last
    assert "zebra" not in last


async def test_a_revoked_message_leaves_history(kettles):
    phone, _, wamid = fresh()
    await kettles.deliver(ask(phone, wamid, f"{ASKS} walrus"))
    await kettles.sends(phone, 1)
    revoke = {"from": phone, "id": f"{wamid}r", "timestamp": "1795000001", "type": "revoke",
              "revoke": {"original_message_id": wamid}}  # fmt: skip
    await kettles.deliver(webhook(revoke, number=NUMBER))
    await kettles.deliver(ask(phone, f"{wamid}n"))
    await kettles.sends(phone, 2)
    assert "walrus" not in json.dumps(kettles.stub.calls[-1])


async def test_a_status_counts_once_for_each_state(kettles):
    phone, _, wamid = fresh()
    line = 'guardproxy_webhook_events_total{kind="status",outcome="%s"}'
    before = [await metric(kettles, line % state) for state in ("sent", "played", "duplicate")]
    for state in ("sent", "played", "sent", "sent"):
        status = {"id": wamid, "status": state, "timestamp": "1", "recipient_id": phone}
        await kettles.deliver(change("messages", statuses=[status]))
    after = [await metric(kettles, line % state) for state in ("sent", "played", "duplicate")]
    assert [a - b for a, b in zip(after, before, strict=True)] == [1, 1, 2]


@pytest.mark.parametrize("code", [368, 131031])
async def test_an_error_against_the_account_alarms(kettles, code, caplog):
    _, _, wamid = fresh()
    status = {"id": wamid, "status": "failed", "timestamp": "1", "recipient_id": "1",
              "errors": [{"code": code}]}  # fmt: skip
    with caplog.at_level("INFO"):
        await kettles.deliver(change("messages", statuses=[status]))
    assert await metric(kettles, f'guardproxy_alarms_total{{kind="error.{code}"}}') == 1
    assert any(r.getMessage() == "alarm" for r in caplog.records)
    rules = [case.rule for case in await Escalations(kettles.at.program.connection).open()]
    assert f"alarm.error.{code}" in rules


def test_what_a_document_an_order_and_a_form_say():
    def text(kind, part):
        message = {"from": "1", "id": "w", "type": kind, kind: part}
        return wire.read(json.dumps(webhook(message)).encode())[0].event.text

    assert text("document", {"caption": "Invoice", "filename": "ask.pdf"}) == "Invoice\nask.pdf"
    assert text("order", {"text": "gift wrap", "product_items": []}) == "gift wrap"
    form = {
        "type": "nfm_reply",
        "nfm_reply": {"response_json": '{"flow_token": "t", "day": "Monday"}'},
    }
    assert text("interactive", form) == "Monday"
    assert text("contacts", [{"name": {"formatted_name": "Ann"}}, {"name": {}}]) == "Ann"
    assert text("location", {"name": "Shop", "address": "Street 1"}) == "Shop\nStreet 1"


async def test_the_window_never_moves_back(connection):
    people: Needed = People(connection)
    made = People(connection)
    name = await people.meet("b", ("phone-x",), wrote=2000.0)
    await people.meet("b", ("phone-x",), wrote=1000.0)
    for now, why in ((2000.0 + 86_399, "ok"), (2000.0 + 86_401, "window")):
        assert (await made.leave("b", "n", name, now=now)).why == why


async def test_a_pair_may_burst_45_and_then_one_in_six_seconds(connection):
    people = People(connection)
    await people.meet("b", ("pair-x",), wrote=5000.0)
    answers = [await people.leave("b", "n2", "pair-x", now=5000.0 + i / 10) for i in range(46)]
    assert [a.why for a in answers] == ["ok"] * 45 + ["pair"]
    assert 0 < answers[-1].wait <= 6.0
    assert (await people.leave("b", "n2", "pair-x", now=5006.1)).why == "ok"


async def test_a_number_sends_80_a_second_and_20_in_the_phone_app(connection):
    people = People(connection)
    for number, most in (("n80", 80), ("n20", 20)):
        if most == 20:
            await people.passed("b", number, "colleague", f"echo-{number}", Move.ECHO, 60.0)
        answers = [
            await people.leave("b", number, f"{number}-{i}", agent=False, now=9000.0)
            for i in range(most + 1)
        ]
        assert [a.why for a in answers] == ["ok"] * most + ["number"]
    assert answers[0].month >= 1


async def test_a_thousand_events_of_one_webhook_count_once_each(kettles):
    people = [fresh() for _ in range(20)]
    messages, statuses = [], []
    for n in range(1000):
        phone, _, wamid = people[n // 50]
        one = {"from": phone, "id": f"{wamid}.{n}", "timestamp": str(1_795_000_000 + n)}
        if n % 50 == 0:
            messages.append(one | {"type": "text", "text": {"body": f"{ASKS} n{n}."}})
        elif n % 50 == 1:
            messages.append(one | {"type": f"from_{2030 + n % 7}", "new": {"a": n}})
        else:
            statuses.append({"id": f"{wamid}.{n}", "status": "sent", "recipient_id": phone,
                             "timestamp": "1795000000"})  # fmt: skip
    contacts = [{"wa_id": phone, "profile": {"name": "x"}} for phone, _, _ in people]
    body = change("messages", contacts=contacts, messages=messages, statuses=statuses)
    lines = [f'guardproxy_webhook_events_total{{kind="{kind}",outcome="{outcome}"}}'
             for kind, outcome in (("text", "accepted"), ("status", "sent"), ("other", "accepted"))]  # fmt: skip
    before = [await metric(kettles, line) for line in lines]
    for _ in range(2):
        assert await kettles.deliver(body) == 200
    after = [await metric(kettles, line) for line in lines]
    assert [a - b for a, b in zip(after, before, strict=True)] == [20, 960, 20]
    asked = [f"n{n}." for n in range(0, 1000, 50)]
    assert await until(lambda: all(kettles.calls_with(mark) for mark in asked), 60.0)
    for phone, _, _ in people:
        assert len(await kettles.sends(phone, 2, 30.0)) == 2


def test_a_thousand_messages_with_a_thousand_contacts_are_read_at_once():
    messages = [said(str(n), "hello", f"w{n}") for n in range(1000)]
    contacts = [{"wa_id": str(n), "user_id": f"DE.{n}"} for n in range(1000)]
    raw = json.dumps(change("messages", messages=messages, contacts=contacts)).encode()
    began = time.process_time()
    pieces = wire.read(raw)
    assert time.process_time() - began < 0.5  # a tenth of that on an idle machine
    assert [p.body["entry"][0]["changes"][0]["value"]["contacts"] for p in pieces] == [
        [contact] for contact in contacts
    ]


async def pass_time(connection, seconds: float) -> None:
    """Time passes for the store: every key has so much less to live, every due time is nearer."""
    async for names in scanned(connection, "*"):
        for name in names:
            left = int(await connection.do("PTTL", name))
            if left >= 0:
                await connection.do("PEXPIRE", name, left - int(seconds * 1000))
            if name.endswith(":due"):
                for member in await connection.do("ZRANGE", name, 0, -1):
                    await connection.do("ZINCRBY", name, -seconds, member)


async def test_a_message_delivered_again_after_seven_days_less_an_hour_is_not_answered_again(
    kettles,
):
    phone, _, wamid = fresh()
    await kettles.deliver(ask(phone, wamid))
    assert len(await kettles.sends(phone, 1)) == 1
    line = 'guardproxy_webhook_events_total{kind="text",outcome="%s"}'
    before = await metric(kettles, line % "duplicate")
    await pass_time(kettles.at.program.connection, 7 * 86_400 - 3600)
    assert await kettles.deliver(ask(phone, wamid)) == 200
    assert await metric(kettles, line % "duplicate") == before + 1
    # and even when it is known no more: its turn was decided
    await pass_time(kettles.at.program.connection, 2 * 86_400)
    await kettles.deliver(ask(phone, wamid))
    assert await until(lambda: kettles.records[-1]["verdict"] == "drop")
    assert len(kettles.sent_to(phone)) == 1
