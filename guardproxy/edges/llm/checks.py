"""`POST /v1/checks`: a verdict and nothing else; opens, counts and remembers nothing."""

from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from guardproxy.core.errors import WireError
from guardproxy.core.message import Line, Role
from guardproxy.edges.llm.caller import guard_for
from guardproxy.edges.llm.hop import Hop, body_of
from guardproxy.pipeline.judge import Case, Judged, judge
from guardproxy.pipeline.record import detail_of, found


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: Literal["user", "assistant", "system", "tool", "developer"]
    content: str


class CheckRequest(BaseModel):
    """The request's shape."""

    model_config = ConfigDict(extra="ignore")
    text: str
    direction: Literal["user", "assistant"] = "user"
    policy: str | None = None
    context: tuple[_Said, ...] = ()


async def checks(request: web.Request, hop: Hop) -> web.StreamResponse:
    """Judge one text."""
    caller = hop.callers.known(request)
    try:
        asked = CheckRequest.model_validate_json(await body_of(request))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise WireError(f"{field or 'the body'}: {first['msg']}", field=field) from error
    guard = guard_for(hop.shelf, caller, request.match_info.get("policy") or asked.policy)
    context = tuple(
        Line(Role(said.role), said.content)
        for said in asked.context
        if said.role in ("user", "assistant")
    )
    case = Case(
        id=hop.new_id(), direction=asked.direction, text=asked.text, context=context,
        now=hop.clock(),
    )  # fmt: skip
    judged = await judge(case, guard)
    return web.json_response(_answer(case, judged, guard.policy.ref))


def _answer(case: Case, judged: Judged, policy: str) -> dict[str, Any]:
    """The response's shape."""
    return {
        "id": case.id,
        "verdict": judged.verdict.name,
        "rule": judged.verdict.rule,
        "score": round(judged.score, 4),
        "reply": judged.reply,
        "policy": policy,
        "findings": [found(finding) for finding in judged.trace.findings],
        "steps": [detail_of(step) for step in judged.trace.steps],
    }
