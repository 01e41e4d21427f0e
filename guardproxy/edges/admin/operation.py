"""One operation of the admin API: read strictly, answered typed, described by itself."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import models_json_schema

from guardproxy.core.errors import GuardproxyError, IllegalMove, StoreError, WireError
from guardproxy.observe import log
from guardproxy.people.desk import CannotReply, NoSuchCase

MOST = 1 << 20  # bytes of one request's body: a policy's worth of text
STATUS = {NoSuchCase: 404, IllegalMove: 409, CannotReply: 409, StoreError: 503}


class Asked(BaseModel):
    """What a caller sends; a misspelt field is an error, not silence."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Asked):
    """An operation that needs no more than its path."""


class Answer(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(frozen=True)


Handle = Callable[[web.Request, Any], Awaitable[Answer | web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`handle` gets the request and what was asked, and gives an `answer` or, where `kind` is not
    JSON, a response of its own.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    handle: Handle
    asked: type[Asked] = Nothing
    answer: type[Answer] | None = None
    kind: str = "application/json"

    @property
    def in_query(self) -> bool:
        """Whether what is asked stands in the query; else it is the body."""
        return self.method in ("GET", "DELETE")

    def route(self) -> web.RouteDef:
        """The operation as a route."""

        async def serve(request: web.Request) -> web.StreamResponse:
            asked = await self._read(request)
            answer = await self.handle(request, asked)
            if isinstance(answer, web.StreamResponse):
                return answer
            return web.json_response(
                body=answer.model_dump_json().encode(), headers={"Cache-Control": "no-store"}
            )

        return web.route(self.method, self.path, serve)

    async def _read(self, request: web.Request) -> Asked:
        """What was asked; WireError names the field at fault."""
        try:
            if self.in_query:
                return self.asked.model_validate(dict(request.query))
            raw = await request.read() if request.can_read_body else b"{}"
            if len(raw) > MOST:
                raise WireError(f"the body has {len(raw)} bytes, {MOST} at most", status=413)
            return self.asked.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise WireError(f"{where or 'the body'}: {first['msg']}", status=422) from error


@web.middleware
async def in_words(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever goes wrong is answered as `{"error": {"message"}}`; nothing ends the process."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kept = {k: v for k, v in error.headers.items() if k in ("WWW-Authenticate", "Retry-After")}
        return _failed(error.status, error.reason, kept)
    except WireError as error:
        return _failed(error.status, str(error))
    except GuardproxyError as error:
        status = (code for kind, code in STATUS.items() if isinstance(error, kind))
        return _failed(next(status, 400), str(error))
    except ConnectionError:
        raise  # who asked has left
    except Exception:  # noqa: BLE001  aiohttp's boundary: one request fails alone
        log.log.exception("admin")
        return _failed(500, "guardproxy could not serve this request; its log says why")


def _failed(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error's shape."""
    return web.json_response({"error": {"message": message}}, status=status, headers=headers)


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all operations."""
    models: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        *((one.asked, "validation") for one in operations if not one.in_query),
        *((one.answer, "serialization") for one in operations if one.answer),
    ]
    names, schemas = models_json_schema(
        list(dict.fromkeys(models)), ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        described = _described(one, lambda model, mode: names[model, mode])
        paths.setdefault(one.path, {})[one.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "guardproxy admin API", "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "guardproxy_session"},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


def _described(one: Operation, ref: Callable[[type[BaseModel], Any], Any]) -> dict[str, Any]:
    """One operation as OpenAPI says it."""
    schema = ref(one.answer, "serialization") if one.answer else {"type": "string"}
    found: dict[str, Any] = {
        "summary": one.summary,
        "operationId": f"{one.method.lower()}{one.path.replace('/', '_').replace('.', '_')}"
        .replace("{", "").replace("}", ""),
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in _names(one.path)
            ),
            *(_parameters(one.asked) if one.in_query else ()),
        ],
        "responses": {
            "200": {"description": "done", "content": {one.kind: {"schema": schema}}},
            "default": {"description": 'what is wrong: {"error": {"message"}}'},
        },
    }  # fmt: skip
    if not one.in_query and one.asked is not Nothing:
        content = {"application/json": {"schema": ref(one.asked, "validation")}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _names(path: str) -> list[str]:
    """The parts of a path that vary."""
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _parameters(asked: type[Asked]) -> list[dict[str, Any]]:
    """A query's parameters."""
    schema = json.loads(json.dumps(asked.model_json_schema()))
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema.get("properties", {}).items()
    ]
