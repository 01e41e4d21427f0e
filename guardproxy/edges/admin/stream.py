"""The feed of decisions as server-sent events: one reader of the store for all open pages.

Memory is bounded by the number of pages: each holds the last rows it was too slow to take, and is
told how many it has missed.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import hdrs, web

from guardproxy.core.errors import StoreError
from guardproxy.store.feed import START, Feed

EVERY = 0.3  # seconds between two looks, while a page is open
BEHIND = 1000  # rows held for a page that reads slowly; then the oldest go
AT_ONCE = 200  # rows of one event: some 60 kB
ALIVE = 15.0  # seconds between comments that keep proxies from closing a silent stream
PAGES = 100  # open at most: each costs a connection

Row = dict[str, Any]


@dataclass(slots=True, eq=False)
class Page:
    """One open page."""

    rows: deque[Row] = field(default_factory=lambda: deque(maxlen=BEHIND))
    missed: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, rows: list[Row]) -> None:
        """More rows; what does not fit pushes out the oldest."""
        self.missed += max(0, len(self.rows) + len(rows) - BEHIND)
        self.rows.extend(rows)
        self.news.set()

    def take(self) -> tuple[list[Row], int]:
        """Some rows, and how many were missed before them."""
        some = [self.rows.popleft() for _ in range(min(AT_ONCE, len(self.rows)))]
        missed, self.missed = self.missed, 0
        if not self.rows:
            self.news.clear()
        return some, missed


class Stream:
    """Reads the store's feed while somebody watches, and hands it on."""

    def __init__(self, feed: Feed, shown: Callable[[str, Row], Row]) -> None:
        """`shown` makes a row of a decision's place and record."""
        self._feed = feed
        self._shown = shown
        self._pages: set[Page] = set()
        self._watched = asyncio.Event()

    @property
    def watching(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    async def run(self) -> None:
        """Follow the feed for as long as the process lives; idle while nobody watches."""
        place = ""
        while True:
            if not self._pages:
                place = ""
                self._watched.clear()
                await self._watched.wait()
            try:
                place = await self._follow(place)
            except StoreError:
                place = place or START  # the pages stay open; what comes meanwhile comes later
            await asyncio.sleep(EVERY)

    async def _follow(self, place: str) -> str:
        """Hand on what is new; the place reached."""
        if not place:
            return await self._feed.end()
        place, entries = await self._feed.after(place)
        rows = [self._shown(entry.place, entry.record) for entry in entries]
        if rows:
            for page in self._pages:
                page.add(rows)
        return place

    @contextmanager
    def open(self) -> Iterator[Page]:
        """A page that hears of everything until it closes."""
        page = Page()
        self._pages.add(page)
        self._watched.set()
        try:
            yield page
        finally:
            self._pages.discard(page)

    async def serve(self, request: web.Request, _asked: object) -> web.StreamResponse:
        """`GET /api/feed`."""
        if self.watching >= PAGES:
            raise web.HTTPServiceUnavailable(reason=f"{PAGES} pages watch already")
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: "text/event-stream",
                hdrs.CACHE_CONTROL: "no-store",
                "X-Accel-Buffering": "no",  # nginx would hold the events back
            }
        )
        await response.prepare(request)
        with self.open() as page:
            await response.write(b"retry: 2000\n: welcome\n\n")
            while True:
                try:
                    async with asyncio.timeout(ALIVE):
                        await page.news.wait()
                except TimeoutError:
                    await response.write(b": alive\n\n")
                    continue
                rows, missed = page.take()
                body = json.dumps({"rows": rows, "missed": missed}, separators=(",", ":"))
                await response.write(f"event: decisions\ndata: {body}\n\n".encode())
