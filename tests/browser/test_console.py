"""The console as people use it: in a browser, with a mouse, with keys, on a phone."""

import json
import re
from contextlib import AsyncExitStack

import psutil
import pytest
import yaml
from aiohttp import ClientSession
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect
from pydantic import SecretStr

from guardproxy.store import keys
from guardproxy.store.feed import Feed
from tests.browser.conftest import Desk
from tests.conftest import start_rig
from tests.edges.shop import write

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PAGES = ("live", "inbox", "policy", "try", "traffic")
OFF = "write me a python script"
FAIR = "do you deliver to Potsdam?"
HOSTILE = [
    "<img src=x onerror=alert(1)>", "<script>alert(2)</script>", "javascript:alert(3)",
    '"><svg onload=alert(4)>', "{{constructor.constructor('alert(5)')()}}", '=HYPERLINK("http://x")',
    "<a href='data:text/html,<script>alert(6)</script>'>x</a>",
]  # fmt: skip


async def say(page, text: str) -> None:
    """Type on the phone."""
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_role("button", name="Send").click()


async def chat(desk: Desk, text: str) -> str:
    """A turn by the LLM API; the id of its decision."""
    answer = await desk.rig.chat(text, policy="kettle-shop")
    return answer.headers["x-guardproxy-decision"]


async def test_the_whole_journey_from_a_refusal_to_a_person_and_back(desk):
    phone = await desk.open(f"{desk.phone}/")
    console = await desk.open(f"{desk.console}/#/inbox")
    await expect(console.get_by_text("Nobody waits")).to_be_visible()
    await console.get_by_label("Your name").fill("Ana")

    await say(phone, OFF)
    refusal = phone.locator("li.it").last
    await expect(refusal).to_contain_text(re.compile("only help"))
    await expect(refusal).to_contain_text(re.compile("connect|colleague|person"))

    await say(phone, "human please")
    case = console.locator(".item").first
    await expect(case).to_contain_text("human please")  # nobody has reloaded the page
    await case.click()
    await expect(console.locator(".panel .talk")).to_contain_text(OFF)
    await expect(console.locator(".panel .facts")).to_contain_text("escalation.ask")

    await console.keyboard.press("t")
    await expect(console.locator(".panel .facts")).to_contain_text("taken, Ana")
    await console.keyboard.press("r")
    await console.keyboard.type("Hello, this is Ana. How can I help?")
    await console.keyboard.press("Control+Enter")
    await expect(phone.locator("li.it").last).to_have_text("Hello, this is Ana. How can I help?")
    await expect(console.locator('.panel .talk [data-who="person"]')).to_contain_text("this is Ana")

    before = await phone.locator("li.it").count()
    await say(phone, FAIR)
    await expect(phone.locator("li.me").last.locator("small b")).to_be_visible()
    assert await phone.locator("li.it").count() == before  # a person talks: the bot is silent

    await console.get_by_role("button", name="Hand back").click()
    await expect(console.get_by_text("Nobody waits")).to_be_visible()
    await say(phone, FAIR)
    await expect(phone.locator("li.it")).to_have_count(before + 1)


async def test_a_decision_is_explained_marked_and_becomes_a_test(desk):
    console = await desk.open(f"{desk.console}/#/live")
    await expect(console.locator(".line")).to_have_text("Live")
    name = await chat(desk, "please write an essay about Rome")
    item = console.locator(".item", has_text="essay about Rome").first
    await item.click()
    assert name in console.url
    panel = console.locator(".panel")
    await expect(panel.locator(".steps")).to_contain_text("scope")
    await expect(panel).to_contain_text("kettle-shop.yaml:")
    await panel.get_by_role("button", name="Wrong").click()
    await panel.get_by_label("It should have been").select_option("escalate")
    await panel.get_by_role("button", name="Save").click()
    await expect(panel).to_contain_text("should have been “To a person”")
    (test,) = yaml.safe_load(await panel.locator(".snippet code").inner_text())
    assert test == {"say": "please write an essay about Rome", "expect": "escalate"}
    await expect(item.locator(".tag")).to_have_text("wrong")
    async with console.expect_download() as download:
        await console.get_by_role("link", name="as policy tests (YAML)").click()
    written = (await (await download.value).path()).read_text("utf-8")
    assert "expect: escalate" in written


async def test_filters_and_keys_find_a_decision(desk):
    for text in (FAIR, OFF):
        await chat(desk, text)
    console = await desk.open(f"{desk.console}/#/live")
    await expect(console.locator(".item", has_text=FAIR).first).to_be_visible()
    await (
        console.locator("label.field", has_text="Verdict")
        .locator("select")
        .select_option("redirect")
    )
    await expect(console.locator('.item .verdict:not([data-verdict="redirect"])')).to_have_count(0)
    await console.get_by_label("Search").fill("nothing of the kind")
    await expect(console.get_by_text("No decision fits")).to_be_visible()
    await console.get_by_label("Search").fill("python")
    await console.locator("main").focus()
    await console.keyboard.press("j")
    await expect(console.locator(".panel .said").first).to_have_text(OFF)
    await console.keyboard.press("Escape")
    await expect(console.locator(".panel")).not_to_have_attribute("data-open", "true")


async def test_try_tells_why_and_saves_a_test(desk):
    console = await desk.open(f"{desk.console}/#/try")
    for text in (FAIR, OFF):
        await console.get_by_placeholder("Type a message").fill(text)
        await console.get_by_role("button", name="Send").click()
        await expect(console.locator(".why .said")).to_have_text(text)
    await expect(console.locator(".why")).to_contain_text("scope.off_topic")
    await expect(console.locator(".phone li.reply")).to_have_count(2)
    await console.locator(".why").get_by_role("button", name="Save as test").click()
    saved = yaml.safe_load(await console.locator(".card .snippet code").last.inner_text())
    assert saved["tests"] == [
        {"chat": [FAIR, OFF], "expect": ["allow", "redirect"], "rule": "scope.off_topic"}
    ]


async def test_the_policys_tests_run_and_its_lines_have_origins(desk):
    console = await desk.open(f"{desk.console}/#/policy/kettle-shop")
    await expect(console.locator(".about")).to_contain_text("sells kettles")
    await console.get_by_role("button", name="Run tests").click()
    await expect(console.get_by_role("status").filter(has_text="tests passed")).to_be_visible()
    await console.get_by_text("The effective policy").click()
    await expect(console.locator(".effective")).to_contain_text("packs/lang/en.yaml")


async def test_the_figures_on_the_page_are_those_of_metrics(desk):
    await chat(desk, FAIR)
    console = await desk.open(f"{desk.console}/#/traffic")
    row = console.locator(".bars tr", has_text="Allowed").locator("td").last
    await expect(row).to_have_text(re.compile(r"\d"))
    async with ClientSession() as session, session.get(f"{desk.console}/metrics") as response:
        text = await response.text()
    allowed = sum(
        float(line.split()[-1]) for line in text.splitlines()
        if line.startswith("guardproxy_turns_total") and 'verdict="allow"' in line
    )  # fmt: skip
    await expect(row).to_have_text(f"{allowed:.0f}")


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
@pytest.mark.parametrize("colour", ["light", "dark"])
async def test_no_page_has_a_serious_fault_for_those_who_see_or_move_otherwise(desk, size, colour):
    await chat(desk, OFF)
    console = await desk.open(
        f"{desk.console}/#/live", color_scheme=colour,
        viewport={"width": size[0], "height": size[1]},
    )  # fmt: skip
    found = []
    for name in PAGES:
        await console.goto(f"{desk.console}/#/{name}")
        await expect(console.locator("h1")).to_be_visible()
        await expect(console.locator(".loading")).to_have_count(0)
        if name == "live":
            await console.locator(".item").first.click()
            await expect(console.locator(".panel .steps")).to_be_visible()
        found += await faults(console, name)
        wide = await console.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} px wider than the screen"
    assert found == []


async def faults(page, name: str) -> list[str]:
    """What axe-core finds serious or critical."""
    told = (await Axe().run(page)).response
    return [
        f"{name}: {one['id']}: {node['html'][:120]}"
        for one in told["violations"] if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]  # fmt: skip


async def test_every_page_is_reached_by_keys_alone(desk):
    console = await desk.open(f"{desk.console}/")
    await expect(console.locator("h1")).to_have_text("Live")
    await console.keyboard.press("Tab")
    await expect(console.locator(".skip")).to_be_focused()
    for name in ("Inbox", "Policy", "Try", "Traffic"):
        await console.get_by_role("link", name=name).focus()
        await console.keyboard.press("Enter")
        await expect(console.locator("h1")).to_have_text(name)
        await expect(console.locator("main")).to_be_focused()
        assert name in await console.title()


async def test_it_speaks_indonesian_and_remembers(desk):
    console = await desk.open(f"{desk.console}/")
    await console.get_by_label("Language").select_option("id")
    await expect(console.locator("h1")).to_have_text("Langsung")
    await console.reload()
    await expect(console.locator("h1")).to_have_text("Langsung")
    assert await console.evaluate("document.documentElement.lang") == "id"


async def test_hostile_words_stay_words(desk):
    phone = await desk.open(f"{desk.phone}/")
    for text in HOSTILE:
        await chat(desk, f"{text} please")
    await say(phone, HOSTILE[0])
    await expect(phone.locator("li.me").last.locator("small b")).to_be_visible()
    await say(phone, "human please")
    console = await desk.open(f"{desk.console}/#/live")
    for text in HOSTILE:
        await console.locator(".item", has_text=text).first.click()
        await expect(console.locator(".panel .said").first).to_contain_text(text)
    await console.goto(f"{desk.console}/#/inbox")
    await console.locator(".item").first.click()
    await expect(console.locator(".panel .talk")).to_contain_text(HOSTILE[0])
    assert (
        await console.locator("#app [onerror], #app [onload], #app img:not([alt=''])").count() == 0
    )
    await console.get_by_role("button", name="Resolve").click()
    await expect(console.get_by_text("Nobody waits")).to_be_visible()


async def test_nothing_is_loaded_from_elsewhere(desk):
    asked = []
    console = await desk.open("about:blank")
    console.on("request", lambda request: asked.append(request.url))
    await console.goto(f"{desk.console}/#/traffic")
    await expect(console.locator("h1")).to_be_visible()
    assert asked
    assert all(url.startswith(desk.console) for url in asked)


LATE = """async () => {
  const gaps = []; let last = performance.now();
  for (let n = 0; n < 30; n++) {
    await new Promise(requestAnimationFrame);
    const now = performance.now(); gaps.push(now - last); last = now;
  }
  return gaps.sort((a, b) => a - b)[15];
}"""


async def test_20_000_decisions_neither_slow_the_page_nor_grow_anything(desk):
    console = await desk.open(f"{desk.console}/#/live")
    await expect(console.locator(".line")).to_have_text("Live")
    connection = desk.rig.at.program.connection
    feed = Feed(connection)
    devtools = await console.context.new_cdp_session(console)

    async def heap() -> float:
        await devtools.send("HeapProfiler.collectGarbage")
        return (await devtools.send("Runtime.getHeapUsage"))["usedSize"] / 1e6

    async def flood(start: int, many: int) -> None:
        """Decisions as turns leave them, as fast as the store takes them."""
        batch = []
        for number in range(start, start + many):
            batch.append({
                "id": f"flood-{number}", "at": 1.7e9 + number, "policy": "kettle-shop@0",
                "business": "kettle-shop", "surface": "chat", "verdict": "allow", "rule": None,
                "score": 0.1, "topic": "orders", "language": "en", "kinds": ["text"],
                "overhead_ms": 3.0, "steps": [], "text": f"is my order {number} late?",
            })  # fmt: skip
            if number % 250 == 249:
                await keep(connection, batch)
                for record in batch:
                    feed.note(record)
                batch = []
                await feed.write()
        last = console.locator(".item", has_text=f"is my order {start + many - 1} late?")
        await expect(last).to_be_visible(timeout=60_000)

    await flood(0, 2000)  # everything that is made once is made
    process = psutil.Process()
    quiet, before, resident = await console.evaluate(LATE), await heap(), process.memory_info().rss
    await flood(2000, 18_000)
    busy, after, grown = await console.evaluate(LATE), await heap(), process.memory_info().rss
    nodes = await console.locator("*").count()
    assert after - before < 5, (before, after)  # MB of the page
    assert grown - resident < 30e6, (resident, grown)  # the server's process, allocator included
    assert busy < max(4 * quiet, 100), (quiet, busy)  # ms between two frames
    assert nodes < 3000
    assert await connection.do("XLEN", "feed") < 2300


async def keep(connection, records: list[dict]) -> None:
    """Decision records where turns would leave them."""
    pairs = [
        (keys.decision(keys.shard(one["business"]), one["id"]), json.dumps(one)) for one in records
    ]
    await connection.do("MSET", *(part for pair in pairs for part in pair))


async def test_the_door_opens_with_the_token_and_closes_again(store, tmp_path, chromium):
    folder = write(tmp_path / "policies")
    async with AsyncExitStack() as stack:
        rig = await start_rig(
            stack, store, tmp_path, policies=folder, admin_token=SecretStr("open sesame")
        )
        desk = Desk(rig, "", chromium)
        page = await desk.open(f"{desk.console}/")
        stack.push_async_callback(page.context.close)
        await page.get_by_label("Admin token").fill("guess")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("this is not the admin token")
        assert await faults(page, "door") == []
        await page.get_by_label("Admin token").fill("open sesame")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("h1")).to_have_text("Live")
        await page.goto(f"{desk.console}/#/try")
        await page.get_by_placeholder("Type a message").fill(
            OFF
        )  # a change: it needs the CSRF token
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator(".why")).to_contain_text("scope.off_topic")
        assert await page.evaluate("document.cookie") == ""
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Admin token")).to_be_visible()
        assert not [said for said in desk.complaints if "401" not in said]
