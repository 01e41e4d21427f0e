"""Meta's webhook payloads as what they say: one event each, whatever they were batched with.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples
Unknown fields and kinds are no error: Meta adds some every quarter.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from guardproxy.core.errors import WireError
from guardproxy.edges.whatsapp.said import said

MOST = 1000  # messages of one webhook: Meta's own limit for a batch
SILENT = frozenset({"reaction", "system", "ephemeral", "request_welcome"})  # no turn
POLICY_CODES = frozenset({368, 131031})  # Meta acts against the account: somebody must look
ACCOUNT = {"account_update": "account", "account_alerts": "account",
           "phone_number_quality_update": "quality"}  # fmt: skip
AI = frozenset({"ai_agent", "meta_business_agent"})  # Meta's roles of owners that are bots
ALARMING = ("VIOLATION", "RESTRICTION", "DISABLED", "FLAGGED")  # events of those fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A customer by the ids a webhook gives: `phone` and business-scoped id, either may be ""."""

    phone: str = ""
    bsuid: str = ""

    @property
    def known(self) -> bool:
        """Whether there is an id at all."""
        return bool(self.phone or self.bsuid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One message of a customer. `at` in seconds since 1970; `edits`: the message it replaces."""

    number: str
    id: str
    who: Who
    kind: str
    text: str
    at: float
    edits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A customer took the message `original` back."""

    number: str
    id: str
    who: Who
    original: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """A person of the business wrote to a customer from the phone app."""

    number: str
    id: str
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Meta's routing: another app has a customer's thread (`ours` False), or we have it again.

    `kind`: the webhook's field, as it is counted.
    """

    number: str
    id: str
    who: Who
    ours: bool
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What became of a send. `tag` is what was sent as `biz_opaque_callback_data`, `at` in seconds
    since 1970.
    """

    number: str
    id: str
    state: str
    who: Who
    at: float = 0.0
    tag: str = ""
    category: str = ""
    codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A customer stopped or resumed marketing messages in WhatsApp's own settings."""

    number: str
    who: Who
    stops: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A customer's ids changed: `before` and `after` are one person."""

    number: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A customer called: that opens the customer-service window as a message does."""

    number: str
    who: Who
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Anything else in a webhook, by its field or kind: counted, never given to a model."""

    kind: str
    number: str = ""
    who: Who = field(default_factory=Who)
    alarm: str = ""


Event = Inbound | Revoked | Echo | Passed | Status | Preference | Moved | Call | Other


@dataclass(frozen=True, slots=True)
class Piece:
    """One event, and the webhook that would have brought it alone."""

    event: Event
    body: dict[str, Any]


def read(raw: bytes) -> tuple[Piece, ...]:
    """Every message and event of a webhook, in order. WireError when it is no webhook at all."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WireError("the webhook is not JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("entry"), list):
        raise WireError("the webhook has no list of entries", field="entry")
    found = tuple(_pieces(body))
    if len(found) > MOST:
        raise WireError(f"over {MOST} messages in one webhook", status=413)
    return found


def _pieces(body: dict[str, Any]) -> Iterator[Piece]:
    """The events of all entries and changes."""
    for entry in body["entry"]:
        if not isinstance(entry, dict):
            continue
        for change in _list(entry.get("changes")):
            value = change.get("value") if isinstance(change, dict) else None
            if not isinstance(value, dict):
                named = change.get("field") if isinstance(change, dict) else None
                yield Piece(Other(kind=str(named)[:40] if named else "malformed"), {})
                continue
            for event, alone in _events(str(change.get("field")), value):
                small = change | {"value": alone}
                yield Piece(event, body | {"entry": [entry | {"changes": [small]}]})


def _events(name: str, value: dict[str, Any]) -> Iterator[tuple[Event, dict[str, Any]]]:
    """The events of one change, each with a value that holds nothing else."""
    if name == "standby":
        yield _standby(value), value
        return
    lists = [key for key in (*READERS, "errors") if isinstance(value.get(key), list)]
    split = name in ("messages", "smb_message_echoes", "user_preferences", "user_id_update",
                     "calls")  # fmt: skip
    if not split or not lists:
        yield _whole(name, value), value
        return
    number, known = _number(value), _contacts(value)
    for key in lists:
        for item in value[key]:
            alone = {k: v for k, v in value.items() if k not in lists or k == "contacts"}
            alone[key] = [item]
            reader = READERS.get(key)
            try:
                event = reader(item, number) if reader else Other(kind="error", number=number)
            except (TypeError, ValueError, AttributeError, KeyError):
                event = Other(kind="malformed", number=number)
            mine = _of(event, known)
            if mine:
                alone["contacts"] = mine
            yield event, alone


def _contacts(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The contacts of a change by their ids: a batch has hundreds."""
    found: dict[str, dict[str, Any]] = {}
    for contact in _list(value.get("contacts")):
        if isinstance(contact, dict):
            ids = (_text(contact.get("wa_id")), _text(contact.get("user_id")))
            found |= dict.fromkeys(filter(None, ids), contact)
    return found


def _of(event: Event, known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The contacts that are an event's own person; none where that is not told."""
    who = getattr(event, "who", None)
    if not isinstance(who, Who):
        return []
    found = (known.get(one) for one in (who.phone, who.bsuid) if one)
    return list({id(contact): contact for contact in found if contact is not None}.values())


def _whole(name: str, value: dict[str, Any]) -> Event:
    """A change that is one event: account events, standby, handovers, what Meta adds next."""
    number = _number(value)
    if name == "messaging_handovers":
        return _handover(value)
    alarm = ""
    if name in ACCOUNT:
        event = str(value.get("event", value.get("alert_type", "")))
        if any(word in event for word in ALARMING) or name == "account_alerts":
            alarm = f"{ACCOUNT[name]}.{event.lower()[:40] or 'alert'}"
    return Other(kind=name[:40], number=number, alarm=alarm)


def _handover(value: dict[str, Any]) -> Event:
    """Control of a thread was passed: to people, or to the bot; the roles say which.

    Older webhooks name the previous owner only: what an AI agent gave up is for people.
    """
    sender, recipient = _dict(value.get("sender")), _dict(value.get("recipient"))
    number = _text(recipient.get("phone_number_id"))
    phone = _text(sender.get("phone_number") or sender.get("wa_id"))
    who = Who(phone=phone, bsuid=_text(sender.get("user_id")))
    passed = _dict(value.get("control_passed"))
    after = _text(passed.get("new_owner_role"))
    before = _text(passed.get("previous_owner_role") or passed.get("previous_owner_app_role"))
    if not who.known or not (after or before):
        return Other(kind="messaging_handovers", number=number, who=who)
    ours = after in AI if after else before not in AI
    name = f"handover.{who.phone or who.bsuid}.{_text(value.get('timestamp'))}.{after or before}"
    return Passed(number=number, id=name, who=who, ours=ours, kind="messaging_handovers")


def _standby(value: dict[str, Any]) -> Event:
    """A message that went to the app that has the thread: not to us."""
    inner = _dict(value.get("standby"))
    number = _number(value)
    for key, field_ in (("messages", "from"), ("message_echoes", "to")):
        for item in _list(inner.get(key)):
            one = _dict(item)
            told = _dict(one.get("message")) or one
            who = Who(phone=_text(told.get(field_)), bsuid=_text(told.get(f"{field_}_user_id")))
            if who.known and one.get("id"):
                name = _text(one["id"])
                return Passed(number=number, id=name, who=who, ours=False, kind="standby")
    return Other(kind="standby", number=number)


def _number(value: dict[str, Any]) -> str:
    """The business number a change is about."""
    return str(_dict(value.get("metadata")).get("phone_number_id", ""))


def _dict(value: Any) -> dict[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    """A text or a number as text; anything else is nobody's id."""
    return str(value) if isinstance(value, str | int) else ""


def _message(message: dict[str, Any], number: str) -> Event:
    """One message."""
    kind = str(message.get("type", "unknown"))
    who = Who(phone=_text(message.get("from")), bsuid=_text(message.get("from_user_id")))
    if message.get("group_id"):
        return Other(kind="group", number=number)
    if kind == "system":
        part = _dict(message.get("system"))
        after = _text(part.get("wa_id") or part.get("new_wa_id"))
        if part.get("type") == "user_changed_number" and who.phone and after:
            return Moved(number=number, before=who.phone, after=after)
    if kind in SILENT:
        return Other(kind=kind, number=number, who=who)
    wamid = _text(message.get("id"))
    if not who.known or not wamid or not number:
        return Other(kind="malformed", number=number)
    if kind == "revoke":
        original = str(message["revoke"]["original_message_id"])
        return Revoked(number=number, id=wamid, who=who, original=original)
    edits, inner = "", message
    if kind == "edit":  # what was written anew is checked anew
        edits, inner = str(message["edit"].get("original_message_id", "")), message["edit"]
        inner = inner["message"]
        kind = str(inner.get("type", "unknown"))
    kind, text = said(kind, inner)
    at = float(message.get("timestamp") or 0)
    return Inbound(number=number, id=wamid, who=who, kind=kind, text=text, at=at, edits=edits)


def _status(status: dict[str, Any], number: str) -> Event:
    """What became of a send."""
    who = Who(phone=_text(status.get("recipient_id")),
              bsuid=_text(status.get("recipient_user_id")))  # fmt: skip
    if status.get("recipient_type") == "group":
        who = Who()
    codes = (_dict(error).get("code") for error in _list(status.get("errors")))
    return Status(
        number=number, id=str(status["id"]), state=str(status["status"]), who=who,
        at=float(status.get("timestamp") or 0),
        tag=_text(status.get("biz_opaque_callback_data")),
        category=_text(_dict(status.get("pricing")).get("category")),
        codes=tuple(code for code in codes if isinstance(code, int)),
    )  # fmt: skip


def _echo(message: dict[str, Any], number: str) -> Event:
    """A message the business sent from its phone."""
    who = Who(phone=_text(message.get("to")), bsuid=_text(message.get("to_user_id")))
    return Echo(number=number, id=str(message["id"]), who=who)


def _preference(item: dict[str, Any], number: str) -> Event:
    """A customer's own marketing switch."""
    who = Who(phone=_text(item.get("wa_id")), bsuid=_text(item.get("user_id")))
    return Preference(number=number, who=who, stops=item.get("value") == "stop")


def _moved(item: dict[str, Any], number: str) -> Event:
    """A business-scoped id that was replaced."""
    ids = item["user_id"]
    return Moved(number=number, before=str(ids["previous"]), after=str(ids["current"]))


def _call(item: dict[str, Any], number: str) -> Event:
    """A call; only the customer's own opens the window."""
    who = Who(phone=_text(item.get("from")), bsuid=_text(item.get("from_user_id")))
    if item.get("direction") != "USER_INITIATED":
        return Other(kind="calls", number=number)
    return Call(number=number, who=who, at=float(item.get("timestamp") or 0))


READERS: dict[str, Any] = {
    "messages": _message, "statuses": _status, "message_echoes": _echo,
    "user_preferences": _preference, "user_id_update": _moved, "calls": _call,
}  # fmt: skip


def alarm_of(event: Event) -> str:
    """What an event warns the operator of; "" for nothing."""
    if isinstance(event, Other):
        return event.alarm
    if not isinstance(event, Status):
        return ""
    if event.category == "general_purpose_ai":  # Meta bills this as an AI provider's traffic
        return "pricing.general_purpose_ai"
    found = [code for code in event.codes if code in POLICY_CODES]
    return f"error.{found[0]}" if found else ""
