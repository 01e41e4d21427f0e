"""A real Chromium before a real guardproxy; what its console says is listened to."""

import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from guardproxy import app
from guardproxy.demo.phone import Phone
from tests.conftest import APP_SECRET, Rig, start_rig
from tests.edges.shop import NUMBER, write

PATIENCE = 30_000  # ms for a page on a machine that is busy with other things
expect.set_options(timeout=PATIENCE)


@dataclass
class Desk:
    """A shop with its own phone and console, and pages that were opened on them."""

    rig: Rig
    phone: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    @property
    def console(self) -> str:
        """The console's address."""
        return self.rig.at.admin

    async def open(self, url: str, **more) -> Page:
        """A page of its own; errors, refused loads and dialogs are complaints."""
        context = await self.browser.new_context(
            **({"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | more)
        )
        await context.grant_permissions(["clipboard-write"])
        page = await context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", self._hear)
        page.on("dialog", self._refuse)
        await page.goto(url)
        return page

    def _hear(self, message) -> None:
        """Errors of the page, and whatever the policy for content refused."""
        if message.type == "error" or "Content Security" in message.text:
            self.complaints.append(message.text)

    async def _refuse(self, dialog) -> None:
        """No page of ours asks that way: a script of somebody else's ran."""
        self.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's browser, without a window."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "no chromium here; apt-get install chromium"
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def shop(store: str, tmp_path_factory, chromium: Browser) -> AsyncIterator[Desk]:
    """The kettle shop with a phone, a person always there, and a console without a token."""
    home = tmp_path_factory.mktemp("shop")
    folder = write(home / "policies")
    async with AsyncExitStack() as stack:
        rig = await start_rig(stack, store, home, policies=folder)
        phone = Phone(graph=rig.graph, session=rig.session, secret=APP_SECRET, clock=time.time,
                      numbers={NUMBER: "Kettle Shop"}, webhook=f"{rig.at.public}/whatsapp/webhook")  # fmt: skip
        rig.at.program.watch.append(phone.watch)
        url = await app.listen(stack, phone.app(), ("127.0.0.1", 0))
        yield Desk(rig, url, chromium)


@pytest.fixture
async def desk(shop: Desk):
    """The shop; at the end its pages close, and none may have complained."""
    shop.complaints.clear()
    yield shop
    complaints = list(shop.complaints)  # before the pages go: what they load then breaks off
    for context in shop.browser.contexts:
        await context.close()
    assert complaints == []
