"""The LLM backends of the settings: those that answer customers, and the judge's."""

import asyncio
import time
from contextlib import AsyncExitStack

from aiohttp import ClientSession

from guardproxy.detectors.judge import Judge, Terms
from guardproxy.observe.metrics import Metrics
from guardproxy.settings import Settings
from guardproxy.upstream.client import Backend, Upstream, Waits


def upstream(settings: Settings, session: ClientSession, metrics: Metrics) -> Upstream:
    """The LLM backend of the settings."""
    first = Backend(
        url=settings.upstream_url, key=settings.upstream_key.get_secret_value(),
        model=settings.upstream_model,
    )  # fmt: skip
    others = [
        Backend(url=other.url, key=other.key.get_secret_value(), model=other.model)
        for other in settings.upstream_fallback
    ]
    waits = Waits(
        connect=settings.upstream_connect_timeout, first_byte=settings.upstream_first_byte_timeout,
        idle=settings.upstream_idle_timeout, total=settings.upstream_timeout,
    )  # fmt: skip
    return Upstream(
        session, [first, *others], api=settings.upstream_api, waits=waits,
        clock=time.perf_counter,
        took=lambda outcome, seconds: metrics.upstream.labels(outcome).observe(seconds),
    )  # fmt: skip


async def judge(settings: Settings, metrics: Metrics, stack: AsyncExitStack) -> Judge | None:
    """The LLM judge of the settings; None: the local verdict is all there is."""
    if not settings.judge_url:
        return None
    made = await asyncio.to_thread(
        Judge,
        url=settings.judge_url,
        key=settings.judge_key.get_secret_value(),
        model=settings.judge_model,
        clock=time.monotonic,
        terms=Terms(deadline=settings.judge_timeout, budget=settings.judge_tokens_per_hour),
        spent=metrics.judge_tokens.inc,
    )
    stack.push_async_callback(made.close)
    return made
