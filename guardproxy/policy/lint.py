"""Legal but unwise: warnings about a policy that may be served all the same."""

from guardproxy.core.errors import Fault
from guardproxy.core.text import fold
from guardproxy.policy.compiled import Policy

FEW = 8  # examples; measured: each four more are worth about a point of AUROC up to twelve
LONGER = 86_400.0  # seconds a day


def lint(policy: Policy) -> tuple[Fault, ...]:
    """The warnings, in the order of the file."""
    found = [
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
    fair = {fold(line) for line in lines}
    for refusal in policy.refuse:
        for line in refusal.examples:
            if fold(line) in fair:
                key = f"scope.refuse.{refusal.key}"
                message = f"{line!r} is in scope too"
                faults.append(_warn(policy, key, "GP207", message, "keep it in one place"))
    return faults


def _channels(policy: Policy) -> list[Fault]:
    """Channels that nothing leads to."""
    named = {policy.escalation.default}
    named |= {topic.to for topic in policy.topics if topic.to}
    named |= {refusal.to for refusal in policy.refuse if refusal.to}
    named |= {rule.to for rule in policy.rules if rule.to}
    named |= {limit.to for limit in policy.limits if limit.to}
    grown = True
    while grown:
        more = {policy.escalation.channels[name].otherwise for name in named} - {None}
        grown = not more <= named
        named |= {name for name in more if name}
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


def _limits(policy: Policy) -> list[Fault]:
    """A limit behind a tighter one for the same people is never reached."""
    faults = []
    for limit in policy.limits:
        for other in policy.limits:
            same = limit is not other and (limit.per, limit.of) == (other.per, other.of)
            tighter = other.max <= limit.max and other.seconds >= limit.seconds
            if same and tighter and not (other.shadow or other.then == "redirect"):
                message = f"{limit.id!r} is never reached before {other.id!r}"
                key = f"limits.{limit.id}"
                faults.append(_warn(policy, key, "GP204", message, "lower it, or take it out"))
                break
    return faults


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
