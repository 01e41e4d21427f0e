"""How a turn ends: the words for the verdict, one step in the store, a person called.

The words are true whatever happens next: a person who has yet to be reached is not promised.
"""

from dataclasses import dataclass, replace
from typing import Literal

from guardproxy.core.errors import StoreError
from guardproxy.core.ledger import Case, Closing, Said
from guardproxy.core.message import Line, Role, Turn
from guardproxy.core.trace import Trace
from guardproxy.core.verdict import Allow, Drop, Escalate, Redirect, Rewrite, Verdict
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.calling import first_reached, is_to_call, meanwhile
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.parts import is_plain
from guardproxy.pipeline.record import record_of
from guardproxy.pipeline.reply import disclosure, reply_to
from guardproxy.pipeline.trial import compare
from guardproxy.policy.compiled import Channel, Policy
from guardproxy.stages import Patterns

OFF_TOPIC = ("scope.", "drift", "output.off_topic", "input.injection")  # rules that count as drift
SCREENFUL = 500  # characters of a case's texts: what whoever takes it reads at a glance
MASKED = {"card": "mask", "iban": "mask", "id_number": "mask", "phone": "mask", "email": "mask"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a turn ended.

    `reply` is what the customer reads instead of the answer; None with an `answer`: the answer
    goes out unchanged; both None: nothing is said. `overhead` in seconds, without the upstream.
    """

    turn: Turn
    policy: Policy
    verdict: Verdict
    trace: Trace
    reply: str | None
    answer: Answer | None
    case: str | None
    language: str
    overhead: float

    @property
    def decision(self) -> str:
        """The id of the decision record."""
        return self.turn.id

    @property
    def text(self) -> str | None:
        """What the customer reads, or None when nothing is said."""
        if self.reply is not None:
            return self.reply
        return self.answer.text if self.answer and isinstance(self.verdict, Allow) else None


@dataclass(frozen=True, slots=True)
class Ended:
    """A turn that has been judged, before anything is said. `overhead` in seconds."""

    turn: Turn
    verdict: Verdict
    trace: Trace
    answer: Answer | None
    overhead: float


@dataclass(frozen=True, slots=True)
class _Said:
    """What the customer is told, in which language, and which channel it names.

    `ways`: where a person is yet to be called, one after the other; the words hold meanwhile.
    """

    reply: str | None
    language: str
    channel: Channel | None
    disclosed: bool
    ways: tuple[Channel, ...] = ()


async def conclude(ended: Ended, guard: Guard) -> Outcome:
    """Find the words, close the turn in one step, and tell whoever watches."""
    said = _say(ended, guard)
    closing = _closing(ended, guard, said)
    if guard.trial is not None:
        looked = (ended.turn, ended.trace, ended.answer)
        closing.record["trial"] = await compare(ended.verdict, looked, guard.trial.guard)
    if _is_uneventful(closing, ended):
        case, kept = await _leave(closing, guard)
    else:
        case, kept = await close(closing, guard)
    if not kept and closing.case is not None and closing.case.kind == "human":
        said = replace(said, reply=_another_way(ended, guard, said))
    elif case and said.ways:
        said = await _call(case, closing, ended, guard, said)
    guard.observe(closing.record)
    return Outcome(
        turn=ended.turn,
        policy=guard.policy,
        verdict=ended.verdict,
        trace=ended.trace,
        reply=said.reply,
        answer=ended.answer,
        case=case,
        language=said.language,
        overhead=ended.overhead,
    )


async def _call(case: str, closing: Closing, ended: Ended, guard: Guard, said: _Said) -> _Said:
    """Call the person, the next one where that fails for good, and find the words that are true."""
    if guard.caller is None or guard.conversations is None:
        return said
    found = await first_reached(case, said.ways, closing, guard.caller, guard.policy, guard.clock)
    said = said if found is None else _say(ended, guard, found)
    text = said.reply or ""
    line = Said(who="bot", text=kept_text(text, guard), at=ended.turn.now)
    try:
        await guard.conversations.say_instead(closing, text, line)
    except StoreError as error:
        closing.record["store"] = str(error)
    return said


def _say(ended: Ended, guard: Guard, reached: Channel | None = None) -> _Said:
    """The reply in the customer's language, the disclosure before it where one is due.

    `reached`: the way to a person that is known to work; None: it has yet to be tried.
    """
    turn, policy, memory = ended.turn, guard.policy, ended.turn.recalled
    fallback = memory.language or policy.languages[0]
    language = guard.readers.lexicon.language(turn.text, fallback)
    wanted = ended.verdict.to if isinstance(ended.verdict, Escalate) else None
    ways = policy.open_ways(wanted, turn.now)
    told, sure = reached or ways[0], True
    calls = (
        reached is None
        and isinstance(ended.verdict, Escalate)
        and is_to_call(ways, turn, guard.caller)
    )
    if calls:
        told, sure = meanwhile(ways)
    reply = reply_to(
        ended.verdict, policy, language=language, channel=told, phase=memory.phase, reached=sure
    )
    body = reply if reply is not None else (ended.answer.text if ended.answer else None)
    speaks = body is not None and not isinstance(ended.verdict, Drop)
    plain = _Said(reply, language, ways[0], disclosed=False, ways=ways if calls else ())
    if turn.surface != "whatsapp" or not speaks:
        return plain
    due = policy.disclosure_first_turn and not memory.disclosed
    if not due and not guard.readers.lexicon.asks_if_bot(turn.text):
        return plain
    opened = f"{disclosure(policy, language)}\n\n{body}"
    return _Said(opened, language, ways[0], disclosed=True, ways=ways if calls else ())


def _closing(ended: Ended, guard: Guard, said: _Said) -> Closing:
    """What this turn leaves behind."""
    turn, verdict, policy = ended.turn, ended.verdict, guard.policy
    answered = ended.answer is not None and isinstance(verdict, Allow | Rewrite)
    own = turn.surface == "whatsapp"  # other surfaces bring their history, and send themselves
    rule = verdict.rule
    record = record_of(
        turn, policy, verdict, ended.trace, language=said.language, overhead=ended.overhead
    )
    tokens = spent(turn, ended.answer, guard)
    record |= {"text": kept_text(turn.text, guard), "tokens": tokens}
    if ended.answer is not None and not isinstance(verdict, Allow):
        record["draft"] = kept_text(ended.answer.text, guard)  # what was refused, for a test of it
    return Closing(
        business=turn.business,
        turn=turn.id,
        caller=turn.caller,
        person=turn.person,
        conversation=turn.conversation,
        verdict=verdict.name,
        rule=rule,
        record=record,
        keep=policy.privacy.keep,
        lines=_lines(ended, said) if answered and own else (),
        talk=turn.conversation or turn.person,
        said=_spoken(ended, guard, said),
        off_topic=not isinstance(verdict, Allow) and verdict.rule.startswith(OFF_TOPIC),
        offered=_offered(ended, guard, said),
        language=said.language,
        disclosed=said.disclosed or turn.recalled.disclosed,
        case=_case(ended, guard, said),
        opted_out=_opted(ended, guard),
        limits=policy.limits,
        spent=tokens,
        to_send=own,
        reply=spoken(said.reply, ended) if own else None,
        resume_after=policy.escalation.resume_after,
    )


def spoken(reply: str | None, ended: Ended) -> str | None:
    """What the customer hears: the reply, else the answer that passed, else nothing."""
    if reply is None and ended.answer is not None and isinstance(ended.verdict, Allow):
        return ended.answer.text
    return reply


def _lines(ended: Ended, said: _Said) -> tuple[Line, ...]:
    """The two lines an answered turn adds to the conversation."""
    answer = ended.answer.text if ended.answer else ""
    if isinstance(ended.verdict, Rewrite):
        answer = said.reply or answer
    ids = tuple(message.id for message in ended.turn.messages)
    return (Line(Role.USER, ended.turn.text, ids), Line(Role.ASSISTANT, answer, ids))


def _spoken(ended: Ended, guard: Guard, said: _Said) -> tuple[Said, ...]:
    """What was said this turn, for the colleague who may have to go on from here."""
    turn = ended.turn
    asked = Said(who="customer", text=kept_text(turn.text, guard), at=turn.now)
    if said.ways:
        return (asked,)  # the bot's words are not final yet
    answer = spoken(said.reply, ended) or ""
    return (asked, Said(who="bot", text=kept_text(answer, guard), at=turn.now))


def _offered(ended: Ended, guard: Guard, said: _Said) -> str:
    """The channel the customer was just offered; a yes to it will be a request."""
    if isinstance(ended.verdict, Redirect) and said.channel is not None:
        return said.channel.id
    if ended.answer and isinstance(ended.verdict, Allow | Rewrite):
        offers = guard.readers.lexicon.offers_person(ended.answer.text)
        return guard.policy.escalation.default if offers else ""
    return ""


def _case(ended: Ended, guard: Guard, said: _Said) -> Case | None:
    """The case an escalation opens."""
    verdict, channel = ended.verdict, said.channel
    if not isinstance(verdict, Escalate) or channel is None:
        return None
    return Case(
        id=f"esc_{ended.turn.id}",
        channel=channel.id,
        kind=channel.kind,
        rule=verdict.rule,
        pauses=channel.pauses and not said.ways,  # else it pauses when the call has arrived
        language=said.language,
        reason=kept_text(ended.turn.text, guard)[:SCREENFUL],
        sla=channel.sla,
        policy=guard.policy.ref,
        surface=ended.turn.surface,
        score=round(ended.trace.score, 4),
        draft=kept_text(ended.answer.text if ended.answer else "", guard)[:SCREENFUL],
        address=ended.turn.address,
        errands=guard.policy.escalation.errands(channel),
    )


def kept_text(text: str, guard: Guard) -> str:
    """A customer's words as the policy lets them be kept."""
    return as_kept(text, guard.policy.privacy.text, guard.readers.patterns)


def as_kept(text: str, how: Literal["mask", "keep", "drop"], patterns: Patterns) -> str:
    """Words as they may be kept: `privacy.text` says masked, whole, or not at all."""
    match how:
        case "mask":
            return patterns.mask(text, MASKED)[0]
        case "keep":
            return text
        case "drop":
            return ""


def _opted(ended: Ended, guard: Guard) -> bool | None:
    """Whether the customer just left or came back."""
    if isinstance(ended.verdict, Drop) and ended.verdict.rule == "opt_out.stop":
        return True
    back = ended.turn.recalled.opted_out and guard.readers.lexicon.opts_in(ended.turn.text)
    return False if back else None


def nothing_said(turn: Turn, trace: Trace, guard: Guard) -> Closing:
    """What a turn leaves behind that ended before anything could be said."""
    ended = Ended(turn, Allow(), trace, None, 0.0)
    return _closing(ended, guard, _Said(None, "", None, disclosed=False))


def _is_uneventful(closing: Closing, ended: Ended) -> bool:
    """Whether nothing said now or next depends on how the closing is taken: the answer went out as
    it came, by the caller's own hand. Such a turn does not wait for it to be written down.
    """
    return (
        ended.answer is not None
        and is_plain(ended.verdict)
        and closing.opted_out is None
        and not closing.offered
        and not closing.to_send
    )


async def _leave(closing: Closing, guard: Guard) -> tuple[None, bool]:
    """The closing on its way to the store; whether it could be sent at all."""
    if guard.conversations is None:
        return None, True
    try:
        await guard.conversations.leave_turn(closing)
    except StoreError as error:
        return None, _unkept(closing, error)
    return None, True


async def close(closing: Closing, guard: Guard) -> tuple[str | None, bool]:
    """The open case, and whether it could be written down at all."""
    if guard.conversations is None:
        return None, True
    try:
        return await guard.conversations.close_turn(closing), True
    except StoreError as error:
        return None, _unkept(closing, error)


def _unkept(closing: Closing, error: StoreError) -> bool:
    """Note on a record why it is not kept; False."""
    closing.record["store"] = str(error)
    return False


def _another_way(ended: Ended, guard: Guard, said: _Said) -> str | None:
    """Words that hold when a person could not be called: a way that needs no store, if any."""
    told = [c for c in guard.policy.escalation.channels.values() if not c.pauses]
    if not told:
        return said.reply
    return reply_to(
        ended.verdict,
        guard.policy,
        language=said.language,
        channel=told[0],
        phase=ended.turn.recalled.phase,
    )


def spent(turn: Turn, answer: Answer | None, guard: Guard) -> int:
    """Tokens a turn took: as the backend counted, else as they are counted here."""
    if answer is None:
        return 0
    read = sent(turn, guard)
    if answer.tokens:
        guard.tokens.learn(len(read) + len(answer.text), answer.tokens)
        return answer.tokens
    return guard.tokens.count(read) + guard.tokens.count(answer.text)


def sent(turn: Turn, guard: Guard) -> str:
    """All that the backend reads."""
    return "\n".join((guard.prompt, *(line.text for line in turn.context), turn.carried))
