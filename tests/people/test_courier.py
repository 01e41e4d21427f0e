"""Every channel against a real counterpart, and each of them failing in turn."""

import asyncio
import email
import email.policy
import itertools
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from guardproxy import app
from guardproxy.channels.webhook import SIGNATURE, TIMESTAMP
from guardproxy.core.phases import Phase
from guardproxy.store import keys
from tests.conftest import Rig, said, start_rig, until, webhook
from tests.edges.graphs import WideGraph
from tests.people.helpdesk import NUMBER, WORDS, HelpDesk, Mailbox, mail_server, write

PHONE = "+49 30 5550101"
_serial = itertools.count()


@dataclass
class Office:
    """The rig, and those who wait for cases."""

    rig: Rig
    desk: HelpDesk
    box: Mailbox
    name: str

    async def asks(self, *channels: str) -> tuple[str, str, float]:
        """A customer who has to go to a channel: their number, what they read, after how long."""
        number = f"4915{next(_serial):08d}"
        text = " ".join(WORDS[channel] for channel in channels)
        started = time.monotonic()
        body = webhook(said(number, text, f"wamid.c{next(_serial)}"), number=NUMBER)
        while await self.rig.deliver(body) != 200:  # Meta, too, comes again
            await asyncio.sleep(0.5)
            started = time.monotonic()
        (told,) = await self.rig.sends(number, 1, 20.0)
        return number, told, time.monotonic() - started

    async def case(self):
        """The case that was opened last, as colleagues see it."""
        mine = [r for r in self.rig.records if r["verdict"] == "escalate"][-1]
        return await self.rig.at.desk.case(f"esc_{mine['id']}")

    async def phase(self) -> Phase:
        """Who talks in the conversation of the last case."""
        case = (await self.case()).case
        key = keys.conversation(case.business, case.conversation)
        state = await self.rig.at.program.connection.do("HGET", key, "phase")
        return Phase(state or "bot")


async def open_office(
    stack: AsyncExitStack, store: str, home: Path, monkeypatch, name: str = "kettle-shop", **ways
) -> Office:
    """A rig whose channels lead to a help desk of its own."""
    desk, box = HelpDesk(), Mailbox()
    at = await app.listen(stack, desk.app(), ("127.0.0.1", 0))
    port = await stack.enter_async_context(mail_server(box))
    for key, value in {"T_HOOK": f"{at}/cases", "T_SECRET": "webhook-secret", "T_WOOT": at,
                       "T_TOKEN": "agent-token", "T_NOTIFY": f"{at}/cases",
                       "T_CHAT": at.replace("http", "json") + "/notify"}.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    policies = write(home / "policies", name, **ways)
    rig = await start_rig(
        stack, store, home, policies=policies, graph=WideGraph(),
        smtp_url=SecretStr(f"smtp://127.0.0.1:{port}"),
        smtp_from="bot@kettle.example", console_url="https://console.example",
    )  # fmt: skip
    return Office(rig, desk, box, name)


@pytest.fixture(scope="module")
async def office(store, tmp_path_factory):
    """One office for the tests that need no faults of their own shape."""
    with pytest.MonkeyPatch.context() as patch:
        async with AsyncExitStack() as stack:
            yield await open_office(stack, store, tmp_path_factory.mktemp("office"), patch)


@pytest.fixture(autouse=True)
def _calm(office):
    """No fault, and nothing of an earlier test's, is left."""
    office.desk.faults.clear()
    office.desk.cases.clear()
    office.desk.tries.clear()
    office.box.mails.clear()
    office.box.answers.clear()


async def test_a_signed_request_reaches_the_webhook_before_the_customer_is_promised_anything(
    office,
):
    _, told, took = await office.asks("hook")
    assert "a colleague here in the chat" in told
    assert took < 5.0
    assert await office.phase() is Phase.WAITING
    ((headers, body),) = office.desk.cases  # the desk checks the signature
    file = await office.case()
    assert headers["Idempotency-Key"] == f"{file.case.id}:hook:case"
    assert headers[SIGNATURE].startswith("sha256=")
    sent = datetime.strptime(body["sent_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(sent.timestamp() - time.time()) < 60
    assert headers[TIMESTAMP] == str(int(sent.timestamp()))
    assert file.case.arrived


async def test_a_case_carries_what_whoever_answers_needs(office):
    number, _, _ = await office.asks("hook")
    ((_, body),) = office.desk.cases
    file = await office.case()
    assert {k: body[k] for k in ("version", "id", "phone_number_id", "business", "language")} == {
        "version": 1, "id": file.case.id, "phone_number_id": NUMBER, "business": office.name,
        "language": "en",
    }  # fmt: skip
    assert body["reason"]["rule"] == "rules.hook"
    assert body["reason"]["verdict"] == "escalate"
    assert body["transcript"][0]["text"] == WORDS["hook"]
    assert body["policy"]["name"] == office.name
    assert len(body["policy"]["version"]) == 12
    assert body["window_expires_at"] == round(file.window_expires)
    assert body["answer_by"] == round(file.case.opened + 3)
    assert body["resume_url"] == f"https://console.example/#/inbox/{file.case.id}"
    assert number not in str(body)
    assert body["user"]["wa_id"].endswith(number[-3:])


FAULTS = {
    "it breaks": [500] * 9,
    "it refuses": [400],
    "it sends elsewhere": [302],
    "it is silent": [4.0, 4.0, 4.0, 4.0],
    "it has enough": [429] * 9,
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
async def test_when_the_webhook_fails_the_next_is_tried_and_what_is_said_is_true(office, faults):
    office.desk.faults["cases"] = list(faults)
    _, told, took = await office.asks("hook")
    assert took < 5.0
    if faults == [400] or faults == [302]:
        assert "a colleague here in the chat" in told  # Chatwoot has it by now
        assert await office.phase() is Phase.WAITING
    else:
        assert "help@kettle.example" in told  # true whoever is reached in the end
        assert await office.phase() is Phase.BOT
        file = await office.case()
        assert await until(lambda: any(file.case.id in n["content"] for n in office.desk.notes)
                           or office.desk.cases, 12.0)  # fmt: skip
    name = (await office.case()).case.id
    notes = [n for n in office.desk.notes if name in n["content"]]
    assert len(notes) + len(office.desk.tickets) == 1


async def test_chatwoot_gets_a_note_a_priority_and_an_open_conversation(office):
    office.desk.contacts.clear()
    office.desk.conversations.clear()
    number, told, _ = await office.asks("woot")
    assert "a colleague here in the chat" in told
    file = await office.case()
    made = [c for c in office.desk.contacts if c.get("phone_number") == f"+{number}"]
    assert len(made) == 1
    posts = [(p, b) for m, p, b in office.desk.tries if m == "POST" and "conversations" in p]
    assert [path.rpartition("/")[2] for path, _ in posts] == [
        "conversations", "messages", "toggle_priority", "toggle_status",
    ]  # fmt: skip
    assert posts[0][1] == {"inbox_id": 3, "contact_id": made[0]["id"], "status": "pending"}
    note = posts[1][1]
    assert (note["message_type"], note["private"]) == ("outgoing", True)
    assert file.case.id in note["content"]
    assert posts[2][1] == {"priority": "medium"}
    assert posts[3][1] == {"status": "open"}


async def test_a_try_that_was_cut_off_leaves_one_note(office):
    office.desk.faults["toggle_status"] = [503]
    await office.asks("woot")
    name = (await office.case()).case.id
    assert await until(lambda: [c for c in office.desk.conversations if c["status"] == "open"], 8.0)
    assert len([n for n in office.desk.notes if name in n["content"]]) == 1


async def test_meta_is_asked_to_pass_the_thread(office):
    number, told, _ = await office.asks("thread")
    assert "a colleague here in the chat" in told
    (call,) = [c for c in office.rig.graph.calls if c[1].endswith("/thread_control")][-1:]
    assert call[:2] == ("POST", f"/v26.0/{NUMBER}/thread_control")
    assert call[3] == "Bearer EAAG-secret"
    body = json.loads(call[4])
    assert {k: body[k] for k in ("messaging_product", "to", "action")} == {
        "messaging_product": "whatsapp", "to": number, "action": "pass",
    }  # fmt: skip
    assert len(body["metadata"]) <= 2000


async def test_a_mail_goes_to_the_address_the_customer_is_told(office):
    _, told, _ = await office.asks("mail")
    assert "help@kettle.example" in told
    assert await until(lambda: office.box.mails)
    mail = email.message_from_string(office.box.mails[0], policy=email.policy.default)
    name = (await office.case()).case.id
    assert (mail["From"], mail["To"]) == ("bot@kettle.example", "help@kettle.example")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<{name}.mail.mail@kettle.example>"
    assert WORDS["mail"] in mail.get_content()
    assert await office.phase() is Phase.BOT


async def test_a_mail_refused_for_now_goes_out_later_under_the_same_id(office):
    office.box.answers.append("451 later please")
    await office.asks("mail")
    assert await until(lambda: office.box.mails)
    assert len(office.box.mails) == 1


async def test_colleagues_are_told_of_a_case_in_the_inbox(office):
    _, told, _ = await office.asks("told")
    assert "a colleague here in the chat" in told
    assert await until(lambda: office.desk.cases)
    ((headers, _),) = office.desk.cases
    assert headers["Idempotency-Key"].endswith(":told:notify")
    assert await office.phase() is Phase.WAITING


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise's
async def test_any_chat_service_that_apprise_knows_is_told(office):
    await office.asks("chat")
    name = (await office.case()).case.id
    # apprise takes its time to be imported
    assert await until(lambda: any(path == "/notify" for _, path, _ in office.desk.tries), 20.0)
    (told,) = [body for _, path, body in office.desk.tries if path == "/notify"]
    assert office.name in told["title"]
    assert name in told["message"]


async def test_asking_twice_makes_one_ticket(office):
    number, _, _ = await office.asks("hook")
    again = said(number, WORDS["hook"], f"wamid.c{next(_serial)}")
    await office.rig.deliver(webhook(again, number=NUMBER))
    file = await office.case()
    assert await until(lambda: len(office.rig.records) and office.rig.records[-1]["rule"] != "x")
    assert len(office.desk.tickets) == 1
    assert file.case.arrived


async def test_with_nobody_else_to_name_it_is_said_that_nobody_is_there_yet(
    store, tmp_path, monkeypatch
):
    only = "    hook: {kind: human, via: webhook, url: env:T_HOOK, secret: env:T_SECRET, sla: 1m}"
    async with AsyncExitStack() as stack:
        lone = await open_office(
            stack, store, tmp_path, monkeypatch, "lone-shop", ways=only, default="hook"
        )
        lone.desk.faults["cases"] = [503]
        number, told, took = await lone.asks("hook")
        assert "could not reach anyone this minute" in told
        assert took < 5.0
        assert await lone.phase() is Phase.BOT
        assert await until(lambda: lone.desk.tickets, 8.0)
        assert len(lone.desk.tickets) == 1
        assert "could not reach" in (await lone.case()).transcript[-1].text
        # `summary: true`: for colleagues, never for the customer
        kept = lone.rig.at.desk.kept
        name = (await lone.case()).case.id
        assert await until(lambda: lone.rig.calls_with("takes over a WhatsApp conversation"), 8.0)
        for _ in range(100):
            summary = (await kept.of("lone-shop", name)).summary
            if summary:
                break
            await asyncio.sleep(0.05)
        assert summary
        assert lone.rig.sent_to(number) == [told]
