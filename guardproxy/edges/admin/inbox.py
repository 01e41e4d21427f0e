"""Inbox: who waits for a person, all that whoever answers needs, and what they do about it."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from pydantic import Field

from guardproxy.core.errors import SendError
from guardproxy.edges.admin.operation import Answer, Asked, Operation
from guardproxy.people.desk import MOST, Desk, File
from guardproxy.store.escalations import Escalation

NAME = Field("console", min_length=1, max_length=60)  # of a colleague, as others will read it


class Case(Answer):
    """One case in the list. Times in seconds since 1970, `sla` in seconds."""

    id: str
    business: str
    channel: str
    kind: str
    rule: str
    status: str
    language: str
    reason: str
    opened: float
    asks: int
    by: str
    sla: float | None
    deadline: float | None
    score: float
    policy: str
    surface: str
    replies: int


class Cases(Answer):
    """The open and the taken cases, the oldest first; `now` is this server's clock."""

    now: float
    cases: tuple[Case, ...]


class Line(Answer):
    """One line of a conversation."""

    who: str
    text: str
    at: float
    by: str


class Opened(Answer):
    """A case with what whoever answers it needs; `who` is masked."""

    now: float
    case: Case
    who: str
    draft: str
    transcript: tuple[Line, ...]
    window_expires: float | None
    can_reply: bool
    summary: str
    suggestion: str


class Sent(Answer):
    """A reply that went out; `wamid` "" when this key had sent it before."""

    wamid: str


class By(Asked):
    """Who does it."""

    by: str = NAME


class Take(By):
    """`over`: also when another colleague has it."""

    over: bool = False


class Reply(By):
    """What to say. `key`: the same key twice says it once."""

    text: str = Field(min_length=1, max_length=MOST)
    key: str = Field(min_length=8, max_length=100)


class Inbox:
    """The operations of the page."""

    def __init__(self, desk: Desk, clock: Callable[[], float]) -> None:
        """`clock`: seconds since 1970."""
        self._desk = desk
        self._clock = clock

    def operations(self) -> list[Operation]:
        """What the API offers here."""
        one = "/api/escalations/{id}"
        return [
            Operation(method="GET", path="/api/escalations", summary="Who waits for a person",
                      handle=self._list, answer=Cases),
            Operation(method="GET", path=one, summary="One case, with its transcript",
                      handle=self._open, answer=Opened),
            Operation(method="POST", path=f"{one}/take", summary="Take it: the bot stays silent",
                      handle=self._take, asked=Take, answer=Case),
            Operation(method="POST", path=f"{one}/reply", summary="Answer as a person",
                      handle=self._reply, asked=Reply, answer=Sent),
            Operation(method="POST", path=f"{one}/resolve", summary="Done: the bot goes on",
                      handle=self._mover(self._desk.resolve), asked=By, answer=Case),
            Operation(method="POST", path=f"{one}/hand-back", summary="Return it to the bot",
                      handle=self._mover(self._desk.hand_back), asked=By, answer=Case),
        ]  # fmt: skip

    async def _list(self, _request: web.Request, _asked: object) -> Cases:
        cases = await self._desk.cases()
        return Cases(now=self._clock(), cases=tuple(map(_case, cases)))

    async def _open(self, request: web.Request, _asked: object) -> Opened:
        return _opened(await self._desk.case(request.match_info["id"]), self._clock())

    async def _take(self, request: web.Request, asked: Take) -> Case:
        return _case(await self._desk.take(request.match_info["id"], asked.by, over=asked.over))

    async def _reply(self, request: web.Request, asked: Reply) -> Sent:
        name = request.match_info["id"]
        try:
            return Sent(wamid=await self._desk.reply(name, asked.text, asked.by, key=asked.key))
        except SendError as error:
            doubt = "" if error.known else "; it may have arrived: look before you send it again"
            raise web.HTTPBadGateway(reason=_one_line(f"{error}{doubt}")) from error

    def _mover(
        self, move: Callable[[str, str], Awaitable[Escalation]]
    ) -> Callable[[web.Request, By], Awaitable[Case]]:
        """An operation that moves a case."""

        async def moved(request: web.Request, asked: By) -> Case:
            return _case(await move(request.match_info["id"], asked.by))

        return moved


def _case(case: Escalation) -> Case:
    """A case as the page shows it: no person, no address."""
    return Case(
        id=case.id, business=case.business, channel=case.channel, kind=case.kind, rule=case.rule,
        status=case.status, language=case.language, reason=case.reason, opened=case.opened,
        asks=case.asks, by=case.by, sla=case.sla, deadline=case.deadline, score=case.score,
        policy=case.policy, surface=case.surface, replies=case.replies,
    )  # fmt: skip


def _opened(file: File, now: float) -> Opened:
    """A case opened."""
    lines = tuple(Line(who=s.who, text=s.text, at=s.at, by=s.by) for s in file.transcript)
    return Opened(
        now=now, case=_case(file.case), who=file.who, draft=file.case.draft, transcript=lines,
        window_expires=file.window_expires, can_reply=file.can_reply, summary=file.summary,
        suggestion=file.suggestion,
    )  # fmt: skip


def _one_line(text: str) -> str:
    """A reason that fits a status line."""
    return " ".join(text.split())
