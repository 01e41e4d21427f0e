"""The file's types turned into the plain objects the hot path uses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from guardproxy.core.ledger import Limit
from guardproxy.policy import packs
from guardproxy.policy.compiled import (
    Business,
    Channel,
    Drift,
    Escalation,
    Input,
    OnFailure,
    Output,
    Policy,
    Privacy,
    Refusal,
    Rule,
    Topic,
    Trial,
    WhatsApp,
    When,
)
from guardproxy.policy.document import Document
from guardproxy.policy.model import (
    ChannelPart,
    DriftPart,
    EscalationPart,
    InputPart,
    LimitPart,
    OutputPart,
    PolicyFile,
    RefusePart,
    RulePart,
    TopicPart,
)
from guardproxy.policy.pack import Pack


def compile_policy(
    file: PolicyFile, document: Document, *, rev: str, environ: Mapping[str, str]
) -> Policy:
    """The policy of a file without faults."""
    scope = file.scope
    return Policy(
        name=file.name,
        rev=rev,
        path=document.path,
        shadow=file.mode == "shadow",
        timezone=ZoneInfo(file.timezone),
        languages=file.languages,
        business=Business(**file.business.model_dump()),
        whatsapp=_whatsapp(file, environ),
        examples=scope.examples,
        topics=tuple(Topic(key=key, **_moded(part)) for key, part in scope.topics.items()),
        refuse=tuple(Refusal(key=key, **_moded(part)) for key, part in scope.refuse.items()),
        smalltalk=scope.smalltalk,
        off_topic=scope.off_topic,
        off_topic_shadow=scope.mode == "shadow",
        mixed=scope.mixed,
        unsure=scope.unsure,
        false_blocks=scope.false_blocks,
        drift=Drift(**_moded(scope.drift)),
        rules=tuple(_rule(part) for part in file.rules),
        input=_input(file.input),
        output=_output(file.output),
        on_failure=OnFailure(**file.on_failure.model_dump()),
        limits=tuple(_limit(part) for part in file.limits or ()),
        escalation=_escalation(file.escalation, environ),
        packs=_packs(file),
        disclosure_first_turn=file.disclosure.first_turn,
        privacy=Privacy(**file.privacy.model_dump()),
        lines=_lines(document),
        trial=Trial(**file.trial.model_dump()) if file.trial else None,
    )


def _moded(part: TopicPart | RefusePart | DriftPart | RulePart) -> dict[str, Any]:
    """A part's values, its `mode` as a flag."""
    return part.model_dump(exclude={"mode"}) | {"shadow": part.mode == "shadow"}


def _rule(part: RulePart) -> Rule:
    """One of the business's own rules."""
    return Rule(**_moded(part) | {"when": When(**part.when.model_dump())})


def _input(part: InputPart) -> Input:
    """What may come in."""
    shadow = part.injection_mode == "shadow"
    return Input(injection_shadow=shadow, **part.model_dump(exclude={"injection_mode"}))


def _output(part: OutputPart) -> Output:
    """What may go out."""
    links = part.links.allow if part.links else None
    shadow = part.mode == "shadow"
    return Output(shadow=shadow, links=links, **part.model_dump(exclude={"mode", "links"}))


def _escalation(part: EscalationPart, environ: Mapping[str, str]) -> Escalation:
    """The ways to a person."""
    return Escalation(
        default=part.default,
        channels={key: _channel(key, one, environ) for key, one in part.channels.items()},
        ask_words=part.ask_words,
        resume_after=part.resume_after,
        summary=part.summary,
    )


def _whatsapp(file: PolicyFile, environ: Mapping[str, str]) -> WhatsApp | None:
    """The numbers, with secrets read."""
    part = file.whatsapp
    if part is None:
        return None
    return WhatsApp(
        numbers=part.phone_number_id,
        hop=part.hop,
        forward_to=part.forward_to,
        secret=_read(part.secret, environ),
        access_token=_read(part.access_token, environ),
        merge=part.merge,
        templates=dict(part.templates),
        outside_window=(part.outside_window.template, part.outside_window.language)
        if part.outside_window
        else None,
    )


def _read(name: str | None, environ: Mapping[str, str]) -> str | None:
    """What `env:NAME` stands for; anything else stands for itself."""
    if not name or not name.startswith("env:"):
        return name
    return environ.get(name.removeprefix("env:"))


def _limit(part: LimitPart) -> Limit:
    """One limit."""
    return Limit(
        id=part.id,
        per=part.per,
        max=part.max,
        seconds=part.in_,
        of=part.of,
        then=part.then,
        to=part.to,
        shadow=part.mode == "shadow",
    )


def _channel(key: str, part: ChannelPart, environ: Mapping[str, str]) -> Channel:
    """One channel."""
    own = _read(part.url, environ)
    notify = _read(part.notify, environ)
    told_by_notify = part.via == "webhook" and part.url is None
    return Channel(
        id=key,
        kind=part.kind,
        to=part.to,
        via=part.via,
        url=notify if told_by_notify else own,
        secret=_read(part.secret, environ),
        account=part.account,
        inbox=part.inbox,
        notify=None if told_by_notify else notify,
        hours=part.hours,
        sla=part.sla,
        otherwise=part.else_,
    )


def _packs(file: PolicyFile) -> dict[str, Pack]:
    """The packs of the declared languages, with the file's own replies laid over."""
    own = file.replies
    return {
        language: replace(
            packs.pack(language),
            replies={**packs.pack(language).replies, **own.get(language, {})},
        )
        for language in file.languages
    }


def _lines(document: Document) -> dict[str, int]:
    """Dotted path -> line; list items by their id, as rule ids name them."""
    lines: dict[str, int] = {}
    for path, place in document.keys.items():
        lines[".".join(str(part) for part in path)] = place.line
    for section in ("rules", "limits"):
        items = document.value.get(section) if isinstance(document.value, dict) else None
        for index, item in enumerate(items or ()):
            if isinstance(item, dict):
                lines[f"{section}.{item.get('id')}"] = document.place((section, index)).line
    return lines
