"""What a channel is told of a case, in the words and shapes its receiver reads. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from guardproxy.core.ledger import Said

LINES = 12  # of the transcript: two screens of a chat; the console has them all
ROLES = {"customer": "user", "bot": "assistant", "person": "agent"}
# What made the case, for receivers that sort by it; anything else is "policy".
TRIGGERS = (
    ("escalation.", "user_requested_human"), ("scope.", "off_scope"), ("drift", "off_scope"),
    ("output.", "off_scope"), ("limits.", "limit"), ("on_failure", "failure"), ("alarm.", "alarm"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A case as its receiver gets it. Times in seconds since 1970; texts masked as the policy says.

    `key`: the same for each try of one delivery. `user`: a keyed hash; `who`: the customer as
    shown, masked unless the policy keeps numbers. `number`: Meta's id of the business's number.
    `link`: the case in the console, "" where nobody said where that is.
    """

    key: str
    case: str
    business: str
    policy: str
    channel: str
    opened: float
    rule: str
    score: float
    language: str
    who: str
    user: str
    number: str
    reason: str
    draft: str
    transcript: tuple[Said, ...]
    window_expires: float | None
    deadline: float | None
    summary: str = ""
    suggestion: str = ""
    link: str = ""

    @property
    def trigger(self) -> str:
        """What made the case, in one word."""
        return next((word for start, word in TRIGGERS if self.rule.startswith(start)), "policy")

    @property
    def priority(self) -> Literal["normal", "high"]:
        """High where a customer asked for a person."""
        return "high" if self.trigger == "user_requested_human" else "normal"

    @property
    def headline(self) -> str:
        """One line: who, and why."""
        return f"{self.business}: {self.who} wants a person ({self.rule})"


def as_json(notice: Notice, sent: float) -> dict[str, Any]:
    """The case for a webhook. `sent`: seconds since 1970, signed with the rest."""
    policy, _, rev = notice.policy.partition("@")
    return {
        "version": 1,
        "event": "escalation.opened",
        "id": notice.case,
        "created_at": _iso(notice.opened),
        "sent_at": _iso(sent),
        "channel": "whatsapp" if notice.number else "api",
        "business": notice.business,
        "escalation_channel": notice.channel,
        "phone_number_id": notice.number or None,
        "user": {"wa_id": notice.who, "key": notice.user},
        "trigger": notice.trigger,
        "reason": {
            "rule": notice.rule,
            "verdict": "escalate",
            "scores": {"off_topic": notice.score},
            "text": notice.reason,
            "draft": notice.draft,
        },
        "priority": notice.priority,
        "language": notice.language,
        "summary": notice.summary or None,
        "suggested_reply": notice.suggestion or None,
        "transcript": [
            {"role": ROLES[line.who], "at": round(line.at, 3), "text": line.text}
            for line in notice.transcript[-LINES:]
        ],
        "window_expires_at": notice.window_expires and round(notice.window_expires),
        "answer_by": notice.deadline and round(notice.deadline),
        "policy": {"name": policy, "version": rev},
        "resume_url": notice.link or None,
    }


def as_text(notice: Notice) -> str:
    """The case for people: a private note, a mail, a chat message."""
    lines = [
        f"guardproxy {notice.case}: {notice.rule}, score {notice.score:.2f}, {notice.language}",
        f"Customer {notice.who} of {notice.business}, policy {notice.policy}",
    ]
    for label, text in (
        ("Summary", notice.summary),
        ("Suggested reply", notice.suggestion),
        ("Refused draft", notice.draft),
    ):
        lines += [f"{label}: {text}"] if text else []
    lines += ["", *(f"{line.by or line.who}: {line.text}" for line in notice.transcript[-LINES:])]
    if not notice.transcript and notice.reason:
        lines.append(f"customer: {notice.reason}")
    lines.append("")
    if notice.window_expires:
        lines.append(f"WhatsApp takes an answer until {_iso(notice.window_expires)}")
    lines += [notice.link] if notice.link else []
    return "\n".join(lines).strip()


def _iso(at: float) -> str:
    """A moment as RFC 3339 writes it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
