"""The console's API tells what was decided, why, who waits, and the same figures as /metrics."""

import asyncio
import json
import re
import time
from contextlib import AsyncExitStack

import pytest
import yaml

from guardproxy.cli.rig import load_guards
from guardproxy.core.ledger import Closing
from guardproxy.policy.load import load_policy
from guardproxy.rehearsal.evaluate import read_rows
from guardproxy.store import feed as feeds
from guardproxy.store.conversations import Conversations
from guardproxy.store.erasure import forget
from guardproxy.store.feed import Feed
from guardproxy.store.marks import Mark, Marks
from guardproxy.watching import count
from tests.conftest import POLICIES, Rig, start_rig
from tests.edges.shop import write

OFF = "please write my history essay about Rome"
FAIR = "how do I order a new debit card?"


async def ask(rig: Rig, path: str, method: str = "GET", **more):
    """The status and the JSON (or text) of an operation."""
    async with rig.session.request(method, f"{rig.at.admin}{path}", **more) as response:
        body = await response.text()
        kind = response.content_type
        return response.status, json.loads(body) if kind == "application/json" else body


async def decided(rig: Rig, text: str, policy: str = "harbour-bank") -> str:
    """Say something; the id of its decision, once the feed has it."""
    answer = await rig.chat(text, policy=policy)
    name = answer.headers["x-guardproxy-decision"]
    for _ in range(100):
        _, past = await ask(rig, "/api/decisions?limit=100")
        if any(row["id"] == name for row in past["rows"]):
            return name
        await asyncio.sleep(0.05)
    raise AssertionError(past)


async def test_a_decision_is_listed_and_explained(rig):
    name = await decided(rig, OFF)
    status, told = await ask(rig, f"/api/decisions/{name}")
    assert status == 200
    assert (told["row"]["verdict"], told["row"]["rule"]) == ("redirect", "scope.off_topic")
    assert told["row"]["text"] == OFF
    assert any(step["stage"] == "scope" and step["check"] == "hit" for step in told["steps"])
    lines = (POLICIES / "harbour-bank.yaml").read_text("utf-8").splitlines()
    assert lines[told["line"] - 1] == told["source"]
    assert told["served"] is True


async def test_no_row_names_a_person(rig):
    await decided(rig, FAIR)
    _, past = await ask(rig, "/api/decisions?limit=5")
    for row in past["rows"]:
        assert not {"person", "conversation", "caller"} & set(row)


async def test_an_unknown_decision_is_a_404_that_says_so(rig):
    status, told = await ask(rig, "/api/decisions/nope")
    assert (status, "nope" in told["error"]["message"]) == (404, True)


async def test_the_past_goes_on_page_by_page(rig):
    names = [await decided(rig, f"{FAIR} {n}") for n in range(4)]
    _, first = await ask(rig, "/api/decisions?limit=2")
    _, second = await ask(rig, f"/api/decisions?limit=2&before={first['next']}")
    assert [row["id"] for row in first["rows"] + second["rows"]] == names[::-1]


async def test_the_feed_tells_of_a_decision_within_two_seconds(rig):
    async with rig.session.get(f"{rig.at.admin}/api/feed") as stream:
        assert stream.content_type == "text/event-stream"
        await stream.content.readuntil(b"welcome\n\n")
        await asyncio.sleep(0.5)  # the reader has found the end of what was before
        started = time.monotonic()
        answer = await rig.chat(OFF)
        async with asyncio.timeout(5):
            while True:
                line = await stream.content.readline()
                if line.startswith(b"data:"):
                    rows = json.loads(line[5:])["rows"]
                    if answer.headers["x-guardproxy-decision"] in [row["id"] for row in rows]:
                        break
        assert time.monotonic() - started < 2


async def test_a_mark_needs_what_should_have_been_said(rig):
    name = await decided(rig, OFF)
    status, told = await ask(rig, f"/api/decisions/{name}/mark", "PUT", json={"right": False})
    assert (status, "expect" in told["error"]["message"]) == (422, True)


async def test_marks_become_tests_that_load_and_rows_that_eval_reads(rig, tmp_path):
    wrong, right = await decided(rig, OFF), await decided(rig, "write me a haiku about rain")
    for name, body in ((wrong, {"right": False, "expect": "allow"}), (right, {"right": True})):
        status, mark = await ask(rig, f"/api/decisions/{name}/mark", "PUT", json=body)
        assert (status, mark["decision"]) == (200, name)
    _, past = await ask(rig, "/api/decisions?limit=2")
    assert {row["id"]: row["mark"] for row in past["rows"]} == {wrong: "wrong", right: "right"}

    _, text = await ask(rig, "/api/marks.yaml")
    (tests,) = [part["tests"] for part in yaml.safe_load_all(text) if part]
    assert {"say": OFF, "expect": "allow"} in tests
    policy = (POLICIES / "harbour-bank.yaml").read_text("utf-8")
    head, _, _ = policy.partition("\ntests:")
    block = text[text.index("tests:") :].split("---")[0]
    (tmp_path / "harbour-bank.yaml").write_text(f"{head}\n{block}", "utf-8")
    load_policy(tmp_path / "harbour-bank.yaml")

    _, rows = await ask(rig, "/api/marks.jsonl")
    (tmp_path / "rows.jsonl").write_text(rows, "utf-8")
    guards = await asyncio.to_thread(load_guards, [POLICIES])
    placed = read_rows(tmp_path / "rows.jsonl", guards)
    labels = {one.row.id: one.row.label for one in placed}
    assert (labels[wrong], labels[right]) == ("in_scope", "off_scope")

    status, told = await ask(rig, f"/api/decisions/{wrong}/mark", "DELETE")
    assert (status, told["mark"]) == (200, None)


async def test_a_refused_answer_becomes_a_test_of_an_answer(rig):
    leak = "Sure! def sort(xs): return sorted(xs). It takes a list and returns a new one."
    before = rig.stub.script
    rig.stub.script = {FAIR.lower(): leak}
    try:
        name = await decided(rig, FAIR)
    finally:
        rig.stub.script = before
    _, told = await ask(rig, f"/api/decisions/{name}")
    assert told["row"]["rule"].startswith("output.")
    assert told["draft"].startswith("Sure!")
    (test,) = yaml.safe_load(told["test"])
    assert (test["bot"], test["expect"]) == (told["draft"], "redirect")


async def test_forgetting_a_person_takes_their_marks_along(connection):
    record = {"id": "mark-me", "business": "b", "person": "p-1", "conversation": "p-1", "at": 1.0}
    closing = Closing(business="b", turn="mark-me", caller="k", person="p-1", conversation="p-1",
                      verdict="allow", rule=None, record=record, keep=60.0)  # fmt: skip
    await Conversations(connection).close_turn(closing)
    marks = Marks(connection)
    await marks.put("b", Mark(decision="mark-me", right=True, expect="allow", by="", at=1.0))
    assert "mark-me" in await marks.of("b", ["mark-me"])
    await forget(connection, "p-1")
    assert await marks.of("b", ["mark-me"]) == {}


async def test_try_says_why_and_how_to_keep_it(rig):
    asked = {"policy": "harbour-bank", "text": OFF}
    status, told = await ask(rig, "/api/try", "POST", json=asked)
    assert (status, told["verdict"], told["rule"]) == (200, "redirect", "scope.off_topic")
    assert told["score"] > told["high"] > told["low"]
    assert told["nearest"]
    assert yaml.safe_load(told["test"]) == [
        {"say": OFF, "expect": "redirect", "rule": "scope.off_topic"}
    ]


async def test_try_remembers_what_was_said_before_and_writes_a_chat(rig):
    context = [{"role": "user", "content": FAIR, "verdict": "allow"},
               {"role": "assistant", "content": "In the app."}]  # fmt: skip
    asked = {"policy": "harbour-bank", "text": "I want to talk to a human", "context": context}
    _, told = await ask(rig, "/api/try", "POST", json=asked)
    (test,) = yaml.safe_load(told["test"])
    assert test["chat"] == [FAIR, "I want to talk to a human"]
    assert test["expect"] == ["allow", "escalate"]


async def test_try_names_the_policies_there_are(rig):
    status, told = await ask(rig, "/api/try", "POST", json={"policy": "nope", "text": "hi"})
    assert (status, "harbour-bank" in told["error"]["message"]) == (404, True)


async def test_a_policy_is_rendered_with_where_each_line_comes_from(rig):
    _, told = await ask(rig, "/api/policies/warung-bu-sri")
    assert told["business"] == "Warung Bu Sri"
    assert {"menu", "booking"} <= {topic["key"] for topic in told["topics"]} | {"menu"}
    origins = {line["origin"].partition(":")[0] for line in told["effective"]}
    assert "packs/lang/id.yaml" in origins
    assert (told["stale"], told["difference"]) == ("", "")


async def test_a_policys_tests_run(rig):
    _, told = await ask(rig, "/api/policies/warung-bu-sri/tests", "POST")
    assert told["passed"] == len(told["cases"]) > 3
    assert 0 < told["covered"] <= 1


async def test_a_broken_file_shows_its_difference_to_the_last_good_one(store, tmp_path):
    folder = write(tmp_path / "policies")
    file = folder / "kettle-shop.yaml"
    good = file.read_text()
    async with AsyncExitStack() as stack:
        rig = await start_rig(stack, store, tmp_path, policies=folder)
        path = "/api/policies/kettle-shop"

        async def difference() -> str:
            return (await ask(rig, path))[1]["difference"]

        async def becomes(part: str) -> bool:
            for _ in range(100):
                if part in await difference():
                    return True
                await asyncio.sleep(0.05)
            return False

        file.write_text(good.replace("limits: []", "limts: []"))
        assert await becomes("+limts: []")
        _, told = await ask(rig, path)
        assert "limts" in told["stale"]
        file.write_text(good.replace("sells kettles", "sells and mends kettles"))
        assert await becomes("+++ served\n")
        _, told = await ask(rig, path)
        assert (told["stale"], "+++ served\n" in told["difference"]) == ("", True)
        assert "sells and mends kettles" in told["difference"]


def series(text: str, name: str, **labels: str) -> float:
    """The sum of a series' lines, read by hand."""
    total = 0.0
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and all(f'{k}="{v}"' in (found[1] or "") for k, v in labels.items()):
            total += float(found[2])
    return total


@pytest.mark.parametrize("policy", ["", "harbour-bank"])
async def test_the_figures_are_those_of_metrics(rig, policy):
    await rig.chat(FAIR)
    await rig.chat(OFF)
    await rig.chat("I want to talk to a human")
    _, told = await ask(rig, f"/api/figures?policy={policy}")
    _, text = await ask(rig, "/metrics")
    of = {"policy": policy} if policy else {}
    turns = "guardproxy_turns_total"
    verdicts = {v: series(text, turns, verdict=v, **of) for v in told["decisions"]}
    assert verdicts == told["decisions"]
    assert sum(verdicts.values()) == series(text, turns, **of)
    for surface, number in told["surfaces"].items():
        assert number == series(text, turns, surface=surface, **of)
    for rule, number in told["rules"].items():
        assert number == series(text, "guardproxy_rule_hits_total", rule=rule, **of)
    assert told["tokens"] == series(text, "guardproxy_tokens_total", **of) > 0
    assert told["overhead"]["count"] == series(text, "guardproxy_overhead_seconds_count")
    ok = series(text, "guardproxy_upstream_seconds_count", outcome="ok")
    assert told["upstream"]["count"] == ok
    assert told["service_free"] == series(text, "guardproxy_service_messages_free", **of)
    answered = sum(number for verdict, number in verdicts.items() if verdict != "drop")
    assert told["headline"]["escalated"] == verdicts["escalate"] / answered
    assert 0 < told["headline"]["contained"] < 1


async def test_who_waits_is_counted_and_listed_until_taken(rig):
    await rig.chat("I want to talk to a human", policy="palm-court-hotel")

    async def told() -> tuple[float, float]:
        await count(rig.at.program.connection, rig.at.shelf, rig.at.program.metrics, time.time())
        _, text = await ask(rig, "/metrics")
        of = {"policy": "palm-court-hotel"}
        return (series(text, "guardproxy_escalations_waiting", **of),
                series(text, "guardproxy_escalations_oldest_wait_seconds", **of))  # fmt: skip

    waiting, oldest = await told()
    assert (waiting, oldest > 0) == (1, True)
    _, listed = await ask(rig, "/api/escalations")
    (case,) = [c for c in listed["cases"] if c["business"] == "palm-court-hotel"]
    assert "address" not in case
    path = f"/api/escalations/{case['id']}"
    status, taken = await ask(rig, f"{path}/take", "POST", json={"by": "ana"})
    assert (status, taken["status"], taken["by"]) == (200, "taken", "ana")
    assert (await told())[0] == 0
    status, fault = await ask(rig, f"{path}/take", "POST", json={"by": "budi"})
    assert (status, "ana" in fault["error"]["message"]) == (409, True)
    _, opened = await ask(rig, path)
    assert opened["transcript"][0]["text"] == "I want to talk to a human"
    said = {"by": "ana", "text": "hello", "key": "key-12345"}
    status, fault = await ask(rig, f"{path}/reply", "POST", json=said)
    assert status == 409  # it came by the LLM API: there is no number to answer to
    status, done = await ask(rig, f"{path}/hand-back", "POST", json={"by": "ana"})
    assert (status, done["status"]) == (200, "resolved")


async def test_the_api_describes_itself(rig):
    _, told = await ask(rig, "/api/openapi.json")
    assert told["openapi"].startswith("3.1")
    named = {(method.upper(), path) for path, ops in told["paths"].items() for method in ops}
    assert ("POST", "/api/escalations/{id}/reply") in named
    for method, path in named - {("GET", "/api/feed")}:
        status, _ = await ask(rig, path.replace("{", "%7B").replace("}", "%7D"), method, json={})
        assert status not in (404, 405) or "{" in path, (method, path)
    refs = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(told)))
    assert refs <= set(told["components"]["schemas"])


async def test_the_feed_keeps_the_newest_and_forgets_the_rest(connection, monkeypatch):
    monkeypatch.setattr(feeds, "MOST", 100)
    feed = Feed(connection)
    for number in range(2000):
        feed.note({"business": "b", "id": f"flood-{number}"})
    await feed.write()
    kept = await connection.do("XLEN", "feed")
    assert 100 <= kept < 300  # Valkey trims whole nodes of about a hundred
