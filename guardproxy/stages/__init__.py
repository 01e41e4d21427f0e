"""The order of the program: which questions are asked of what comes in and of what goes out."""

from dataclasses import dataclass
from typing import Protocol

from guardproxy.policy.compiled import Policy
from guardproxy.stages.admission import Admission, OptListener
from guardproxy.stages.drift import AnswerDrift, AnswerReader, Drift
from guardproxy.stages.form import Form, FormReader
from guardproxy.stages.handover import Handover, Listener
from guardproxy.stages.injection import Injection, InjectionReader
from guardproxy.stages.rules import LanguageReader, Rules, TopicReader
from guardproxy.stages.scope import AlwaysFair, QuestionReader, Scope
from guardproxy.stages.stage import Stage


class Lexicon(Listener, OptListener, AlwaysFair, LanguageReader, Protocol):
    """Everything that is heard in words."""


class ScopeReader(QuestionReader, AnswerReader, TopicReader, Protocol):
    """The scope model, for one policy."""


class Patterns(InjectionReader, FormReader, Protocol):
    """Everything that is found by its form."""


@dataclass(frozen=True, slots=True)
class Readers:
    """The detectors that the stages of one policy hand text to."""

    lexicon: Lexicon
    scope: ScopeReader
    patterns: Patterns


def inbound(policy: Policy, readers: Readers) -> tuple[Stage, ...]:
    """What a customer's message goes through, in this order."""
    scope = Scope(policy, readers.scope, readers.lexicon)
    return (
        Handover(policy, readers.lexicon),
        Admission(policy, readers.lexicon),
        Injection(policy, readers.patterns),  # before the rules: no word of a rule opens the prompt
        Rules(policy, readers.scope, readers.lexicon),
        Drift(policy, scope, readers.scope.high),
        scope,
    )


def outbound(policy: Policy, readers: Readers) -> tuple[Stage, ...]:
    """What an answer goes through, in this order."""
    return (
        AnswerDrift(policy, readers.scope),
        Form(policy, readers.patterns),
    )
