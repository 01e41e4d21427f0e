"""`demo`: up with no key and no network, refusing what is not the restaurant's."""

import asyncio
import re
import subprocess
import sys
import time

import pytest
from aiohttp import ClientSession

from tests.faults.process import environment

pytestmark = pytest.mark.slow
NUMBER = "106540352242922"
OFF = ["write me a python script", "Bagaimana cuacanya?"]


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    """A running demo's phone page and API base URL, as it prints them."""
    home = tmp_path_factory.mktemp("demo")
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "guardproxy", "demo", "--port", "0", "--admin-port", "0"],
            cwd=home, env=environment(), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        end = time.monotonic() + 90.0
        while "Ctrl-C stops it" not in log.read_text("utf-8"):
            assert time.monotonic() < end, log.read_text("utf-8")
            assert process.poll() is None, log.read_text("utf-8")
            time.sleep(0.1)
        text = log.read_text("utf-8")
        yield (
            re.search(r"^  phone +(http://127\.0\.0\.1:\d+)/$", text, re.MULTILINE).group(1),
            re.search(r"^  LLM API +(http://127\.0\.0\.1:\d+/v1)$", text, re.MULTILINE).group(1),
        )
    finally:
        process.terminate()
        process.wait(30)
    assert process.returncode == 0


async def say(phone: str, text: str, *, document: bool = False) -> tuple[dict, str]:
    """Type on the phone: what was decided, and what came back."""
    async with ClientSession() as session:
        body = {"number": NUMBER, "text": text, "document": document}
        async with session.post(f"{phone}/phone/say", json=body) as response:
            decision = (await response.json())["decision"]
        for _ in range(200):
            async with session.get(f"{phone}/phone/state") as response:
                state = await response.json()
            sends = [send["text"] for send in state["sends"] if send["decision"] == decision]
            if sends and decision in state["verdicts"]:
                return state["verdicts"][decision], sends[0]
            await asyncio.sleep(0.05)
    raise AssertionError(text)


@pytest.mark.parametrize("text", OFF)
async def test_the_phone_refuses_what_is_not_the_restaurants(urls, text):
    verdict, reply = await say(urls[0], text)
    assert verdict["verdict"] == "redirect"
    assert "menu" in reply


async def test_the_phone_refuses_a_document_to_be_summed_up(urls):
    verdict, _ = await say(urls[0], "Ringkasan PDF ini", document=True)
    assert verdict["verdict"] == "redirect"


async def test_the_phone_books_a_table(urls):
    verdict, reply = await say(urls[0], "book a table for 8")
    assert verdict["verdict"] == "allow"
    assert "table for 8" in reply


@pytest.mark.parametrize(
    ("text", "verdict"), [*((text, "redirect") for text in OFF), ("book a table for 8", "allow")]
)
async def test_the_plain_api_is_the_restaurants(urls, text, verdict):
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    async with (
        ClientSession() as session,
        session.post(f"{urls[1]}/chat/completions", json=body) as response,
    ):
        assert response.status == 200
        assert response.headers["x-guardproxy-verdict"] == verdict
        assert response.headers["x-guardproxy-policy"].startswith("warung-bu-sri@")


async def test_the_page_shows_each_messages_verdict(urls):
    async with ClientSession() as session, session.get(f"{urls[0]}/") as response:
        page = await response.text()
    assert response.content_type == "text/html"
    for word in ("verdict", "rule", "book a table for 8"):
        assert word in page
