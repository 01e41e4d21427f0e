"""The local scope classifier: one model for all businesses, made ready for one policy at load.

The fast encoder reads every text. Where its answer is in doubt, or it does not know the script,
the slow one reads it too, if it is installed, and the head of both decides.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from guardproxy.core.message import Line, Role
from guardproxy.core.text import clauses, windows
from guardproxy.detectors.disguise import seen_through
from guardproxy.detectors.scope_model import encoder as encoders
from guardproxy.detectors.scope_model import head as heads
from guardproxy.detectors.scope_model import library as libraries
from guardproxy.detectors.scope_model.encoder import Encoder
from guardproxy.detectors.scope_model.features import (
    DOES,
    EXAMPLE,
    REFUSE,
    TOPIC,
    Support,
    features,
    support,
)
from guardproxy.detectors.scope_model.projection import Parts, Projection
from guardproxy.detectors.scope_model.vectors import Vectors
from guardproxy.policy.compiled import Policy
from guardproxy.stages.scope import ScopeReading

KEPT = 4096  # readings of one policy: customers and bots repeat themselves
UNSURE = 5.0  # times `false_blocks`: from that threshold down to in-scope is doubt
RIDER = 0.4  # logits a clause must have beyond the threshold: several looks are several chances
ALONE = 0.5  # logits an answer by itself must have beyond the threshold: it is the weaker look
SAME = 0.93  # similarity of two texts that say the same in nearly the same words
PROSE = 4  # words a paragraph must have to say anything
PARTS = 32  # clauses read of one text: those of 1,500 characters, the default limit
REFUSED = 0.5  # similarity to a line of `scope.refuse`: unrelated short texts stay below it
CLEARLY = 0.1  # nearer to it than to any line of a topic
SHORT = 5  # words of a reply that lives on what was asked before
PATIENCE = 4.0  # logits a short reply may owe to the question it answers
DOUBT = (-5.0, 4.0)  # logits around the threshold in which the slow encoder is asked as well
FOREIGN = 1.0  # logits a text owes where the business's own lines are all in other scripts
DOUBTFUL = 0.1  # logits below the threshold: in doubt, not off
# Scripts the fast encoder has hardly any words of: it reads all of them alike.
UNREAD = re.compile("[\u0590-\u05ff\u0900-\u0dff\u1000-\u109f\u1200-\u137f\u1780-\u17ff]")


@dataclass(frozen=True, slots=True)
class Eye:
    """The two heads of one set of encoders, with its library."""

    question: heads.Head
    answer: heads.Head
    library: libraries.Library
    encoders: tuple[Encoder, ...]

    def vectors(self, texts: Sequence[str]) -> Parts:
        """Each encoder's centred vectors."""
        return self.library.centred([encoder.encode(texts) for encoder in self.encoders])


class ScopeModel:
    """Encoders, libraries and heads; shared by all policies of a process."""

    def __init__(self, eyes: Sequence[Eye]) -> None:
        """`eyes`: the fast one, and the one that is asked in doubt, if any."""
        self.eyes = tuple(eyes)
        self.rev = "".join(eye.question.digest + eye.answer.digest for eye in eyes)

    @classmethod
    def open(cls, wanted: str = "auto") -> "ScopeModel":
        """The shipped model (about 1 s). WeightsError when its weights are not the right ones."""
        names = encoders.choose(wanted)
        made: dict[str, Encoder] = {"use": encoders.UseEncoder()}
        if "e5" in names:
            made["e5"] = encoders.E5Encoder()
        sets = [names[:count] for count in range(1, len(names) + 1)]
        return cls([_eye(s, made) for s in sets])

    @property
    def encoder(self) -> Encoder:
        """The fast encoder, for whoever compares texts without a policy."""
        return self.eyes[0].encoders[0]

    def prepare(self, policy: Policy) -> "PolicyScope":
        """The model for one policy: its own lines are encoded once, here."""
        named = [(EXAMPLE, "", line) for line in policy.examples]
        named += [(EXAMPLE, topic.key, line) for topic in policy.topics for line in topic.examples]
        named += [(TOPIC, topic.key, topic.about) for topic in policy.topics]
        named += [(DOES, "", policy.business.does)]
        named += [(REFUSE, r.key, line) for r in policy.refuse for line in (r.about, *r.examples)]
        return PolicyScope(self.eyes, Own(tuple(named)), policy.false_blocks)


def _eye(names: tuple[str, ...], made: Mapping[str, Encoder]) -> Eye:
    """The shipped heads of some encoders."""
    chosen = tuple(made[name] for name in names)
    question, answer = heads.load("question", names), heads.load("answer", names)
    return Eye(question, answer, libraries.load(names), chosen)


@dataclass(frozen=True, slots=True)
class Own:
    """A policy's lines: (what it is, key of its topic or refusal, text)."""

    lines: tuple[tuple[int, str, str], ...]

    @property
    def texts(self) -> list[str]:
        """The texts alone."""
        return [text for _, _, text in self.lines]


class Look:
    """One eye on one policy."""

    def __init__(self, eye: Eye, own: Own, false_blocks: float) -> None:
        """The policy's lines are read once per learned space."""
        self._eye = eye
        self._parts = eye.vectors(own.texts)
        self._named = [(kind, text) for kind, _, text in own.lines]
        self.off = eye.question.threshold(false_blocks)
        self.low = eye.question.threshold(min(0.5, UNSURE * false_blocks))
        self.answer_off = eye.answer.threshold(false_blocks)
        self.question_support = self._support(eye.question)

    @cached_property
    def answer_support(self) -> Support:
        """The policy's lines in the answers' spaces."""
        return self._support(self._eye.answer)

    def _support(self, head: heads.Head) -> Support:
        """The policy's lines in one head's spaces."""
        return support(self._named, self._parts, self._eye.library, head.projections)

    def questions(self, texts: Sequence[str]) -> tuple[Parts, Vectors]:
        """Vectors and logits of what customers write."""
        head, parts = self._eye.question, self._eye.vectors(texts)
        rows = features(texts, parts, self.question_support, self._eye.library, head.projections)
        return parts, head.logits(rows)

    def answer(self, question: str, answer: str) -> float:
        """The logit of an answer beside its question, or of the answer or a paragraph of it by
        itself, whichever is more off: a fair question excuses much, but not an answer that is far
        off whatever was asked.
        """
        head = self._eye.answer
        texts = [answer, answer, *_paragraphs(answer)]
        parts = self._eye.vectors([*texts, question or " "])
        said = tuple(part[:-1] for part in parts)
        asked = tuple(np.repeat(part[-1:], len(texts), axis=0) for part in parts)
        rows = answer_features(
            (texts, said), ([question, *[""] * (len(texts) - 1)], asked),
            self.answer_support, self._eye.library, head.projections,
        )  # fmt: skip
        logits = head.logits(rows)
        return float(max(logits[0], logits[1:].max() - ALONE))


class PolicyScope:
    """Reads questions and answers for one policy. Safe to share: only its cache changes."""

    def __init__(self, eyes: Sequence[Eye], own: Own, false_blocks: float) -> None:
        """`false_blocks`, 0..1: the share of fair messages the business can bear to refuse."""
        self._own = own
        self._looks = [Look(eye, own, false_blocks) for eye in eyes]
        self._last = self._looks[-1]  # all scores are told on this one's scale
        self._library = eyes[0].library
        self._asked, self._said = eyes[-1].question, eyes[-1].answer
        self.high = self._asked.score(self._last.off)
        self.low = self._asked.score(self._last.low)
        self.answer_high = self._said.score(self._last.answer_off)
        self._kept: OrderedDict[Hashable, ScopeReading] = OrderedDict()

    def question(self, text: str, context: Sequence[Line] = ()) -> ScopeReading:
        """What a customer wrote. `context`: the lines before it, for replies that lean on them."""
        leans = _leans(text, context)
        return self._once(("q", text, leans), lambda: self._read(text, leans=leans))

    def answer(self, question: str, answer: str, context: Sequence[Line] = ()) -> ScopeReading:
        """What the bot answered to a question."""
        if not question:
            question = next((line.text for line in reversed(context) if line.role is Role.USER), "")
        return self._once(("a", question, answer), lambda: self._read_answer(question, answer))

    @property
    def slow(self) -> bool:
        """Whether a slow encoder may be asked."""
        return len(self._looks) > 1

    def recalls(self, text: str, context: Sequence[Line] = ()) -> bool:
        """Whether a question was read before and costs nothing now."""
        return ("q", text, _leans(text, context)) in self._kept

    def false_blocks(self, score: float) -> float:
        """The share of fair messages that a business refuses which refuses from this score on."""
        return self._asked.false_blocks(self._asked.logit(score))

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
        parts = _parts(text)
        texts = [text, *parts, *seen_through(text)]
        vectors, logits = self._seen_by_all(texts)
        whole = float(logits[0])
        if leans and whole < self._last.off + PATIENCE and not parts:
            whole -= PATIENCE
        if not parts and self._is_own(vectors):
            whole = min(whole, self._last.low - DOUBTFUL)
        clause = [float(logit) for logit in logits[1 : 1 + len(parts)]]
        rider = max(clause, default=-99.0) - RIDER
        unseen = max((float(logit) for logit in logits[1 + len(parts) :]), default=-99.0)
        logit = max(whole, rider, unseen)
        mixed = bool(clause) and logit >= self._last.off and min(clause) < self._last.off
        return replace(
            self._near(vectors, logit),
            clauses=tuple(zip(parts, (self._asked.score(c) for c in clause), strict=True)),
            mixed=mixed,
        )

    def _seen_by_all(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """The fast encoder's vector of the first text; the logits, of all eyes where in doubt."""
        fast = self._looks[0]
        parts, logits = fast.questions(texts)
        vectors = parts[0][:1]
        if len(self._looks) == 1:
            if _is_unread(texts[0]):  # could not be read: doubt, whatever the number says
                logits = np.clip(logits, fast.low, fast.off - DOUBTFUL)
            return vectors, logits
        doubt = float(logits.max()) - fast.off
        if not DOUBT[0] < doubt < DOUBT[1] and not _is_unread(texts[0]):
            return vectors, logits + (self._last.off - fast.off)
        logits = self._last.questions(texts)[1]
        return vectors, logits - FOREIGN if self._is_foreign(texts[0]) else logits

    def _is_foreign(self, text: str) -> bool:
        """Whether a text is in a script of which the business has not shown a line."""
        return _is_unread(text) and not any(map(_is_unread, self._own.texts))

    def _is_own(self, vector: Vectors) -> bool:
        """Whether a text is one of the policy's own examples, give or take a word: its owner has
        said that it is fair.
        """
        sup = self._looks[0].question_support
        examples = sup.plain[0].lines[sup.group == EXAMPLE]
        return bool(len(examples)) and float((vector @ examples.T).max()) >= SAME

    def _near(self, vector: Vectors, logit: float) -> ScopeReading:
        """A reading with what the text is near to."""
        sup, lib, lines = self._looks[0].question_support, self._library, self._own.lines
        near = (vector @ sup.plain[0].lines.T)[0]
        general = (vector @ lib.general[0].T)[0]
        examples = [i for i, (kind, _, _) in enumerate(lines) if kind == EXAMPLE]
        best = sorted(examples, key=lambda i: -near[i])[:3]  # three show the neighbourhood
        named = [(float(near[i]), lines[i][1]) for i in best if lines[i][1]]
        named += [(float(near[i]), key) for i, (kind, key, _) in enumerate(lines) if kind == TOPIC]
        refuse = [(float(near[i]), key) for i, (kind, key, _) in enumerate(lines) if kind == REFUSE]
        closest, refusal = max(refuse, default=(-1.0, ""))
        ours = max((similar for similar, _ in named), default=0.0)
        refused = closest >= REFUSED and closest - ours >= CLEARLY
        off = logit >= self._last.off
        return ScopeReading(
            score=self._asked.score(max(logit, self._last.off) if refused else logit),
            topic=max(named)[1] if named else None,
            refuse=refusal if refused else None,
            archetype=lib.kinds[int(general.argmax())] if off else None,
            nearest=tuple((lines[i][2], float(near[i])) for i in best),
        )

    def _read_answer(self, question: str, answer: str) -> ScopeReading:
        """Score an answer beside its question; in doubt with all eyes."""
        fast = self._looks[0]
        logit = fast.answer(question, answer)
        if len(self._looks) > 1:
            doubt = logit - fast.answer_off
            if DOUBT[0] < doubt < DOUBT[1] or _is_unread(answer):
                logit = self._last.answer(question, answer)
            else:
                logit += self._last.answer_off - fast.answer_off
        elif _is_unread(answer):  # could not be read: doubt, whatever the number says
            logit = min(logit, fast.answer_off - DOUBTFUL)
        if not question and len(answer.split()) < PROSE:  # "Done." says nothing by itself
            logit = min(logit, self._last.answer_off - DOUBTFUL)
        return ScopeReading(
            score=self._said.score(logit),
            archetype="general" if logit >= self._last.answer_off else None,
        )


Texts = tuple[Sequence[str], Parts]


def answer_features(
    answers: Texts, questions: Texts, sup: Support, library: libraries.Library,
    members: Sequence[Projection],
) -> list[Vectors]:  # fmt: skip
    """Each member's input: the answer beside the policy, the same of its question, and how near the
    two are. An empty question counts as nothing asked.
    """
    mine = features(*answers, sup, library, members)
    shown = [text or " " for text in questions[0]]
    theirs = features(shown, questions[1], sup, library, members)
    has = np.asarray([[float(bool(text))] for text in questions[0]], np.float32)
    plain = [_alike(a, q) for a, q in zip(answers[1], questions[1], strict=True)]
    return [
        np.concatenate(
            [a, q * has, has, *(p * has for p in plain),
             _alike(member.into(answers[1]), member.into(questions[1])) * has], axis=1,
        ).astype(np.float32)
        for a, q, member in zip(mine, theirs, members, strict=True)
    ]  # fmt: skip


def _alike(one: Vectors, other: Vectors) -> Vectors:
    """The similarity of rows, as a column."""
    column: Vectors = (one * other).sum(axis=1, keepdims=True)
    return column


def _parts(text: str) -> list[str]:
    """What of a text may be a request of its own; [] when it is one short request."""
    runs = [run for clause in clauses(text) for run in windows(clause)]
    return [run for run in runs if len(run.split()) > 2][:PARTS] if len(runs) > 1 else []


def _paragraphs(answer: str) -> list[str]:
    """The paragraphs of an answer that has several and says something in each."""
    found = [part.strip() for part in answer.split("\n\n")]
    found = [part for part in found if len(part.split()) >= PROSE][:PARTS]
    return found if len(found) > 1 else []


def _is_unread(text: str) -> bool:
    """Whether most of a text is in a script the fast encoder cannot read."""
    letters = sum(c.isalpha() for c in text)
    return len(UNREAD.findall(text)) * 2 > letters


def _leans(text: str, context: Sequence[Line]) -> bool:
    """Whether a text is a short reply to something the bot said."""
    last = context[-1] if context else None
    return last is not None and last.role is Role.ASSISTANT and len(text.split()) <= SHORT
