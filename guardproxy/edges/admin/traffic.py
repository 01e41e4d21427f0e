"""Traffic: the figures, from the counters that `/metrics` shows."""

from aiohttp import web
from pydantic import Field

from guardproxy.edges.admin.operation import Answer, Asked, Operation
from guardproxy.observe.figures import Figures, History


class Whose(Asked):
    """Which business; "" for all."""

    policy: str = Field("", max_length=64)


class Told(Figures, Answer):
    """The figures as the API gives them."""


def operations(history: History) -> list[Operation]:
    """What the API offers here."""

    async def now(_request: web.Request, asked: Whose) -> Told:
        return Told(**(await history.figures(asked.policy)).model_dump())

    return [
        Operation(method="GET", path="/api/figures", summary="Totals, and the hour before now",
                  handle=now, asked=Whose, answer=Told)
    ]  # fmt: skip
