"""What the types of a policy file cannot say: names that must exist, ways that must work.

Each check reads the raw values, so that a wrong type in one place hides no fault in another.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
import re2

from guardproxy.core.errors import Fault
from guardproxy.policy import packs
from guardproxy.policy.compiled import HUMAN_KINDS
from guardproxy.policy.document import Document, Path
from guardproxy.policy.pack import REPLIES

BLANKS = {"topics", "channel", "business", "minutes"}
VERDICTS = {"allow", "rewrite", "redirect", "escalate", "throttle", "drop"}
OFF_SCOPE_REPLIES = ("redirect",)
# Shapes of well-known tokens: Meta access tokens, OpenAI-like keys, bearer lines, Slack tokens.
SECRETS = re.compile(
    r"\bEAA[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{16,}|\bxox[bp]-|\bBearer [\w.-]{16,}"
)


class Checking:
    """One pass over a file: finds values by path and notes faults at their places."""

    def __init__(self, document: Document, merged: Any) -> None:
        """`merged` is the file with the packs under it."""
        self.document = document
        self.merged = merged
        self.faults: list[Fault] = []

    def at(self, *path: str | int) -> Any:
        """The value at a path, None when there is none."""
        value = self.merged
        for step in path:
            if isinstance(value, list):
                value = value[step] if isinstance(step, int) and step < len(value) else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        return value

    def table(self, *path: str | int) -> dict[str, Any]:
        """The mapping at a path, {} when it is none."""
        value = self.at(*path)
        return value if isinstance(value, dict) else {}

    def items(self, *path: str | int) -> list[Any]:
        """The list at a path, [] when it is none."""
        value = self.at(*path)
        return value if isinstance(value, list) else []

    def fault(
        self, code: str, path: Path, message: str, mend: str = "", *, key: bool = False
    ) -> None:
        """Note a fault at a path's value, or its key."""
        place = self.document.place(path, key=key)
        self.faults.append(self.document.fault(code, message, mend, at=place))


def check(document: Document, merged: Any) -> list[Fault]:
    """All faults of the file that its types do not show."""
    checking = Checking(document, merged)
    for one in CHECKS:
        one(checking)
    return checking.faults


def _scope(c: Checking) -> None:
    """At least one topic or example."""
    if (
        c.at("scope") is not None
        and not c.table("scope", "topics")
        and not c.items("scope", "examples")
    ):
        c.fault("GP111", ("scope",), "no topic and no example", "say what the bot is for", key=True)
    for key in c.table("scope", "topics"):
        if "." in key:
            c.fault(
                "GP102", ("scope", "topics", key), f"a dot in the key {key!r}", "use _", key=True
            )


def _people(c: Checking) -> None:
    """A default channel, and one that really leads to a person."""
    channels = c.table("escalation", "channels")
    default = c.at("escalation", "default")
    if isinstance(default, str) and default not in channels:
        known = ", ".join(channels) or "none"
        c.fault("GP106", ("escalation", "default"), f"no channel {default!r}", f"there is: {known}")
    if c.at("escalation") is None:
        mend = "add escalation: with a default and a channel, such as a phone number"
        c.fault("GP107", (), "no way to a person", mend)
        return
    broken = {key: reason for key in channels if (reason := _broken(c, key))}
    for key, reason in broken.items():
        c.fault(
            "GP107", ("escalation", "channels", key), f"channel {key!r}: {reason[0]}", reason[1]
        )
    if len(broken) == len(channels):
        kinds = ", ".join(HUMAN_KINDS)
        c.fault(
            "GP107", ("escalation", "channels"), "no working way to a person",
            f"one channel must work; kinds: {kinds}", key=True,
        )  # fmt: skip


def _broken(c: Checking, key: str) -> tuple[str, str] | None:
    """Why a channel leads to nobody, and what to write."""
    channel = c.table("escalation", "channels", key)
    kind, to = channel.get("kind"), str(channel.get("to") or "").strip()
    if kind not in HUMAN_KINDS or kind == "human":
        return None  # an unknown kind is the types' fault to show
    if not to:
        return "no target", 'write to: "..."'
    test, mend = TARGETS[kind]
    return None if test(to) else (f"{to!r} is no {kind.replace('_', ' ')}", mend)


def _is_phone(text: str) -> bool:
    """A number that can be dialled from anywhere, or a short one from the country."""
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        return re.fullmatch(r"[\d ()/-]{3,20}", text) is not None


TARGETS: dict[str, tuple[Callable[[str], bool], str]] = {
    "phone": (_is_phone, "write it with its country: +62 274 555 0101"),
    "email": (
        lambda to: re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", to) is not None,
        "write name@example.com",
    ),
    "web_form": (lambda to: to.startswith("https://"), "write https://..."),
    "web_support": (lambda to: to.startswith("https://"), "write https://..."),
    "in_store": (bool, "write the address"),
}


def _names(c: Checking) -> None:
    """Every channel and topic that is named exists; `else` chains end."""
    channels = c.table("escalation", "channels")
    spots: list[Path] = [("scope", "topics", key, "to") for key in c.table("scope", "topics")]
    spots += [("scope", "refuse", key, "to") for key in c.table("scope", "refuse")]
    spots += [("rules", index, "to") for index in range(len(c.items("rules")))]
    spots += [("limits", index, "to") for index in range(len(c.items("limits")))]
    spots += [("escalation", "channels", key, "else") for key in channels]
    for path in spots:
        name = c.at(*path)
        if isinstance(name, str) and name not in channels:
            known = ", ".join(channels) or "none"
            c.fault("GP106", path, f"no channel {name!r}", f"there is: {known}")
    for index in range(len(c.items("rules"))):
        topic = c.at("rules", index, "when", "topic")
        if isinstance(topic, str) and topic not in c.table("scope", "topics"):
            known = ", ".join(c.table("scope", "topics")) or "none"
            path = ("rules", index, "when", "topic")
            c.fault("GP106", path, f"no topic {topic!r}", f"there is: {known}")
    told: set[str] = set()
    for key in channels:
        if key not in told:
            told |= _circle(c, key)


def _circle(c: Checking, start: str) -> set[str]:
    """An `else` chain that comes back to where it was never ends: told once, for all on it."""
    seen, step = [start], c.at("escalation", "channels", start, "else")
    while isinstance(step, str) and step not in seen:
        seen.append(step)
        step = c.at("escalation", "channels", step, "else")
    if step != start:
        return set()
    path = ("escalation", "channels", start, "else")
    c.fault("GP106", path, f"else runs in a circle: {' -> '.join([*seen, start])}", "end it")
    return set(seen)


def _twice(c: Checking) -> None:
    """Rule and limit ids are unique."""
    for section in ("rules", "limits"):
        seen: set[str] = set()
        for index, item in enumerate(c.items(section)):
            name = item.get("id") if isinstance(item, dict) else None
            if isinstance(name, str) and name in seen:
                path: Path = (section, index, "id")
                c.fault("GP112", path, f"a second {name!r} in {section}", "give it another id")
            seen.add(str(name))


def _patterns(c: Checking) -> None:
    """Regular expressions compile in linear time."""
    for index in range(len(c.items("rules"))):
        path: Path = ("rules", index, "when", "matches")
        pattern = c.at(*path)
        if not isinstance(pattern, str):
            continue
        options = re2.Options()
        options.log_errors = False
        try:
            re2.compile(pattern, options)
        except re2.error as error:
            cause = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
            mend = "RE2 syntax: no look-ahead, look-behind or back-reference"
            c.fault("GP110", path, f"not an expression: {cause}", mend)


def _places(c: Checking) -> None:
    """The time zone, languages and packs are known."""
    zone = c.at("timezone")
    if isinstance(zone, str):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            mend = "write it as in Asia/Jakarta or Europe/Madrid"
            c.fault("GP109", ("timezone",), f"no time zone {zone!r}", mend)
    known = ", ".join(packs.languages())
    for index, language in enumerate(c.items("languages")):
        if language not in packs.languages():
            mend = f"there is: {known}"
            c.fault("GP109", ("languages", index), f"no language pack {language!r}", mend)
    declared = c.items("languages") or ["en"]
    for language in c.table("replies"):
        if language not in declared:
            mend = f"add it to languages, or use one of: {', '.join(map(str, declared))}"
            c.fault("GP109", ("replies", language), f"replies in {language!r}", mend, key=True)
    for index, name in enumerate(c.items("extends")):
        if name != packs.BASE and name not in packs.languages():
            path: Path = ("extends", index)
            c.fault("GP109", path, f"no pack {name!r}", f"there is: {packs.BASE}, {known}")


def _replies(c: Checking) -> None:
    """Replies are known ones, with known blanks; a refusal names a way to a person."""
    targets = [str(t.get("to")) for t in c.table("escalation", "channels").values()
               if isinstance(t, dict) and t.get("to")]  # fmt: skip
    for language in c.table("replies"):
        for word, text in c.table("replies", language).items():
            path: Path = ("replies", language, word)
            if word not in REPLIES:
                c.fault("GP101", path, f"no reply {word!r}", f"there is: {', '.join(REPLIES)}",
                        key=True)  # fmt: skip
                continue
            unknown = sorted(set(re.findall(r"\{([^{}]*)\}", str(text))) - BLANKS)
            if unknown:
                known = ", ".join(f"{{{blank}}}" for blank in sorted(BLANKS))
                c.fault("GP114", path, f"unknown blank {{{unknown[0]}}}", f"there is: {known}")
            names = "{channel}" in str(text) or any(target in str(text) for target in targets)
            if word in OFF_SCOPE_REPLIES and not names:
                mend = "add {channel}: Meta asks for a clear way to a person"
                c.fault("GP108", path, "the refusal names no way to a person", mend)


def _secrets(c: Checking) -> None:
    """No token in clear, anywhere in the file."""
    for path, value in _leaves(c.document.value, ()):
        if SECRETS.search(value):
            c.fault("GP105", path, "a secret in clear", "write env:NAME and set NAME outside")


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text of the file with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _leaves(part, (*path, index))


def _relay(c: Checking) -> None:
    """A relay has somewhere to relay to."""
    whatsapp = c.table("whatsapp")
    forward = whatsapp.get("forward_to")
    if whatsapp.get("hop") == "relay" and not forward:
        c.fault("GP115", ("whatsapp", "hop"), "relay to nowhere", "add forward_to: https://...")
    if isinstance(forward, str) and not forward.startswith(("https://", "http://")):
        c.fault("GP102", ("whatsapp", "forward_to"), f"{forward!r} is no URL", "write https://...")


def _carriers(c: Checking) -> None:
    """Cases that leave for another system have somewhere to go."""
    for key in c.table("escalation", "channels"):
        channel = c.table("escalation", "channels", key)
        path: Path = ("escalation", "channels", key, "via")
        via = channel.get("via")
        lacking = [name for name in CARRIERS.get(str(via), ()) if not channel.get(name)]
        if via == "webhook" and not (channel.get("url") or channel.get("notify")):
            lacking = ["url"]
        if lacking:
            c.fault("GP115", path, f"{via} without {' and '.join(lacking)}", MENDS[lacking[0]])
        if via == "thread_control" and not c.table("whatsapp"):
            c.fault("GP115", path, "no thread to pass on", "add whatsapp: with phone_number_id")
        if via not in (None, "inbox") and channel.get("kind") not in (None, "human"):
            c.fault("GP115", path, f"via on a {channel['kind']} channel", "via: is for kind: human")


CARRIERS = {"chatwoot": ("url", "account", "secret")}
MENDS = {"url": "add url: https://... or env:NAME", "account": "add account: with its number",
         "secret": "add secret: env:NAME of an agent's access token"}  # fmt: skip


def _tests(c: Checking) -> None:
    """Tests say something, and expect verdicts there are."""
    for index, test in enumerate(c.items("tests")):
        if not isinstance(test, dict):
            continue
        path: Path = ("tests", index)
        if not any(test.get(word) for word in ("say", "bot", "chat")):
            c.fault("GP116", path, "a test that says nothing", "add say:, bot: or chat:")
        expected = test.get("expect")
        words = expected if isinstance(expected, list) else [expected]
        for word in words:
            if isinstance(word, str) and word not in VERDICTS:
                mend = f"one of: {', '.join(sorted(VERDICTS))}"
                c.fault("GP104", (*path, "expect"), f"no verdict {word!r}", mend)
        chat = test.get("chat")
        if isinstance(chat, list) and isinstance(expected, list) and len(chat) != len(expected):
            message = f"{len(chat)} messages and {len(expected)} verdicts"
            c.fault("GP116", (*path, "expect"), message, "one verdict for each message")
        topic = test.get("topic")
        if isinstance(topic, str) and topic not in c.table("scope", "topics"):
            c.fault("GP106", (*path, "topic"), f"no topic {topic!r}", "name one of scope.topics")


CHECKS = (
    _scope, _people, _names, _twice, _patterns, _places, _replies, _secrets, _relay, _carriers,
    _tests,
)  # fmt: skip
