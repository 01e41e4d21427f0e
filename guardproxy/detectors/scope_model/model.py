"""The local scope classifier: one model for all businesses, made ready for one policy at load."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from importlib import resources

import numpy as np
import yaml

from guardproxy.core.message import Line, Role
from guardproxy.core.text import clauses
from guardproxy.detectors.disguise import seen_through
from guardproxy.detectors.scope_model import head as heads
from guardproxy.detectors.scope_model.encoder import Encoder, UseEncoder, Vectors
from guardproxy.detectors.scope_model.features import (
    WIDTH,
    Library,
    Support,
    centred,
    features,
    library,
    support,
)
from guardproxy.policy.compiled import Policy
from guardproxy.stages.scope import ScopeReading

KEPT = 4096  # readings of one policy: customers and bots repeat themselves
UNSURE = 5.0  # times `false_blocks`: from that threshold down to in-scope is doubt
RIDER = 1.0  # logits a clause must have beyond the threshold: several looks are several chances
SHORT = 5  # words of a reply that lives on what was asked before
PATIENCE = 4.0  # logits a short reply may owe to the question it answers


class ScopeModel:
    """Encoder, library and head; shared by all policies of a process."""

    def __init__(self, encoder: Encoder, digest: str) -> None:
        """`digest` names the encoder's weights."""
        path = resources.files("guardproxy.detectors.scope_model") / "library.yaml"
        raw = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506  text only
        self.encoder = encoder
        self.library: Library = library(raw, encoder)
        self.head = heads.load()
        self.rev = f"{digest}{self.head.digest}"

    @classmethod
    def open(cls) -> "ScopeModel":
        """The shipped model (about 1 s). WeightsError when its weights are not the right ones."""
        encoder = UseEncoder()
        return cls(encoder, encoder.digest)

    def prepare(self, policy: Policy) -> "PolicyScope":
        """The model for one policy: its own lines are encoded once, here."""
        examples = [("", line) for line in policy.examples]
        examples += [(topic.key, line) for topic in policy.topics for line in topic.examples]
        topics = [(topic.key, topic.about) for topic in policy.topics]
        refuse = [(r.key, line) for r in policy.refuse for line in (r.about, *r.examples)]
        own = support(
            self.library, self.encoder, examples=examples, topics=topics,
            does=policy.business.does, refuse=refuse,
        )  # fmt: skip
        return PolicyScope(self, own, policy.false_blocks)


class PolicyScope:
    """Reads questions and answers for one policy. Safe to share: only its cache changes."""

    def __init__(self, model: ScopeModel, own: Support, false_blocks: float) -> None:
        """`false_blocks`, 0..1: the share of fair messages the business can bear to refuse."""
        head = model.head
        self._model = model
        self._own = own
        self._off = head.threshold(false_blocks)
        self._answer_off = head.answer_threshold(false_blocks)
        self.high = heads.score(self._off)
        self.low = heads.score(head.threshold(min(0.5, UNSURE * false_blocks)))
        self.answer_high = heads.score(self._answer_off)
        self._kept: OrderedDict[Hashable, ScopeReading] = OrderedDict()

    def question(self, text: str, context: Sequence[Line] = ()) -> ScopeReading:
        """What a customer wrote. `context`: the lines before it, for replies that lean on them."""
        asked = _asked(text, context)
        return self._once(("q", text, asked), lambda: self._read(text, leans=asked))

    def answer(self, question: str, answer: str, context: Sequence[Line] = ()) -> ScopeReading:
        """What the bot answered to a question."""
        if not question:
            question = next((line.text for line in reversed(context) if line.role is Role.USER), "")
        return self._once(("a", question, answer), lambda: self._read_answer(question, answer))

    def _once(self, key: Hashable, read: Callable[[], ScopeReading]) -> ScopeReading:
        """A reading, from memory when the same was read before."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = read()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found

    def _read(self, text: str, *, leans: bool) -> ScopeReading:
        """Score the whole, its clauses, and what it says when a disguise is taken off."""
        parts = clauses(text)
        parts = [part for part in parts if len(part.split()) > 2] if len(parts) > 1 else []
        hidden = seen_through(text)
        texts = [text, *parts, *hidden]
        vectors, logits = self._logits(texts)
        whole = float(logits[0])
        if leans and whole < self._off + PATIENCE and not parts:
            whole -= PATIENCE
        clause = [float(logit) for logit in logits[1 : 1 + len(parts)]]
        rider = max(clause, default=-99.0) - RIDER
        unseen = max((float(logit) for logit in logits[1 + len(parts) :]), default=-99.0)
        logit = max(whole, rider, unseen)
        mixed = bool(clause) and logit >= self._off and min(clause) < self._off
        return replace(
            self._seen(vectors[:1], logit),
            clauses=tuple(zip(parts, (heads.score(c) for c in clause), strict=True)),
            mixed=mixed,
        )

    def _logits(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Centred vectors and logits of texts, in one run of the encoder."""
        lib = self._model.library
        vectors = centred(self._model.encoder.encode(texts), lib.centre)
        return vectors, self._model.head.question.logits(features(vectors, texts, self._own, lib))

    def _seen(self, vector: Vectors, logit: float) -> ScopeReading:
        """A reading with what the text is near to."""
        own, lib = self._own, self._model.library
        near = (vector @ own.examples.vectors.T)[0]
        topics = (vector @ own.topics.vectors.T)[0]
        refuse = (vector @ own.refuse.vectors.T)[0]
        general = (vector @ lib.general.vectors.T)[0]
        best = np.argsort(-near)[:3]
        named = [(float(near[i]), own.examples.names[i]) for i in best if own.examples.names[i]] + [
            (float(similar), own.topics.names[i]) for i, similar in enumerate(topics)
        ]
        closest = max(refuse, default=-1.0)
        off = logit >= self._off
        ours = max((similar for similar, _ in named), default=0.0)
        refused = closest > max(ours, 0.3)  # 0.3: unrelated short texts stay below it
        return ScopeReading(
            score=heads.score(max(logit, self._off) if refused else logit),
            topic=max(named)[1] if named else None,
            refuse=own.refuse.names[int(refuse.argmax())] if refused else None,
            archetype=lib.general.names[int(general.argmax())] if off else None,
            nearest=tuple((own.examples.texts[i], float(near[i])) for i in best),
        )

    def _read_answer(self, question: str, answer: str) -> ScopeReading:
        """Score an answer beside its question."""
        lib = self._model.library
        vectors = centred(self._model.encoder.encode([answer, question]), lib.centre)
        inputs = answer_features(vectors[:1], vectors[1:], [answer], [question], self._own, lib)
        logit = float(self._model.head.answer.logits(inputs)[0])
        return ScopeReading(score=heads.score(logit), archetype="general" if logit > 0 else None)


def answer_features(
    answers: Vectors, questions: Vectors, texts: Sequence[str], asked: Sequence[str],
    own: Support, lib: Library,
) -> Vectors:  # fmt: skip
    """The answer net's input: the answer beside the policy, the same of its question, both beside
    each other. Vectors are centred; an empty question counts as nothing asked.
    """
    mine = features(answers, texts, own, lib)
    theirs = features(questions, asked, own, lib)[:, :WIDTH]
    has = np.asarray([[float(bool(text))] for text in asked], np.float32)
    both = (answers * questions).sum(axis=1, keepdims=True)
    general = (answers @ lib.answers.vectors.T).max(axis=1, keepdims=True)
    fair = (answers @ lib.fair_answers.vectors.T).max(axis=1, keepdims=True)
    extra = np.concatenate([theirs * has, has, both * has, general, fair, fair - general], axis=1)
    joined: Vectors = np.concatenate([mine, extra], axis=1).astype(np.float32)
    return joined


def _asked(text: str, context: Sequence[Line]) -> bool:
    """Whether a text is a short reply to something the bot said."""
    last = context[-1] if context else None
    return last is not None and last.role is Role.ASSISTANT and len(text.split()) <= SHORT
