"""Real processes killed, stopped and starved: nothing is lost, doubled, unlimited or hanging."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import said, until, webhook
from tests.faults.process import FAIR, Served, environment, served

__all__ = ["served"]  # the fixture, where pytest finds it
pytestmark = pytest.mark.faults


def message(number: int, round_: int = 0):
    """A fair message of a customer, by number."""
    return said(f"155501{number:05d}", f"{FAIR} nomor {number}", f"wamid.{number}.{round_}")


async def test_told_to_stop_it_finishes_what_it_does(served: Served):
    served.stub.delay = 1.0
    await served.start()
    task = asyncio.ensure_future(served.chat(FAIR, "ann"))  # noqa: TID251
    await asyncio.sleep(0.4)
    code = await asyncio.to_thread(served.stop)
    status, _, body = await task
    assert (status, code) == (200, 0)
    assert body["choices"][0]["message"]["content"] == served.stub.script["meja"]


async def load(served: Served, seconds: float) -> list[tuple[str, int, str, float]]:
    """Some load: (hop, status, verdict, seconds) of every answer."""
    seen: list[tuple[str, int, str, float]] = []
    end = time.monotonic() + seconds

    async def caller(number: int) -> None:
        turn = 0
        while time.monotonic() < end:
            turn += 1
            started = time.monotonic()
            if number % 2:
                status, headers, _ = await served.chat(FAIR, f"caller-{number}")
                seen.append(
                    ("llm", status, headers["x-guardproxy-rule"], time.monotonic() - started)
                )
            else:
                status = await served.deliver(webhook(message(number, turn)))
                seen.append(("whatsapp", status, "", time.monotonic() - started))
            await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(caller(number))
    return seen


async def test_a_store_that_hangs_for_twenty_seconds_holds_nobody_up(served: Served):
    await served.start()
    assert (await served.chat(FAIR, "before"))[0] == 200
    calls, sends = len(served.stub.calls), len(served.graph.sends)
    valkey = served.valkey()
    valkey.suspend()
    try:
        seen = await load(served, 20.0)
        word = (await served.status())[1]
    finally:
        valkey.resume()
    resumed = time.monotonic()
    assert word == "unready"
    assert {status for hop, status, _, _ in seen if hop == "whatsapp"} == {503}
    assert {(s, rule) for hop, s, rule, _ in seen if hop == "llm"} == {(200, "on_failure.question")}
    assert (len(served.stub.calls), len(served.graph.sends)) == (calls, sends)
    took = sorted(seconds for *_, seconds in seen)
    assert took[int(len(took) * 0.95)] < 0.3  # a busy machine may hold up a few
    assert took[-1] < 1.5
    answered = False
    while not answered and time.monotonic() < resumed + 5.0:
        status, headers, _ = await served.chat(FAIR, "after")
        answered = (status, headers["x-guardproxy-verdict"]) == (200, "allow")
        await asyncio.sleep(0.1)
    assert answered
    assert await served.deliver(webhook(message(77))) == 200
    assert await until(lambda: message(77)["from"] in dict(served.sent()), 10.0)
    # what was suspended came back with its counts: a limit of six holds
    verdicts = [(await served.chat(FAIR, "flood"))[1]["x-guardproxy-verdict"] for _ in range(8)]
    assert verdicts == ["allow"] * 6 + ["throttle"] * 2


def serve(served: Served, **settings: str) -> "subprocess.CompletedProcess[str]":
    """`serve`, when it is expected to refuse."""
    command = [sys.executable, "-m", "guardproxy", "serve", "--policies", str(served.policy.parent),
               "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]  # fmt: skip
    return subprocess.run(
        command, cwd=served.home, env=environment(**(served.settings | settings)), timeout=60,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_bad_policy_refuses_the_start_with_its_places(served: Served):
    text = served.policy.read_text("utf-8").replace("version: 1", "version: 1\ncolour: red")
    served.policy.write_text(text + "\nlimit: []\n", "utf-8")
    ended = serve(served)
    assert ended.returncode == 78
    assert f"{served.policy}:3:1: error[GP101] unknown key 'colour'" in ended.stderr
    assert f"{served.policy}:{text.count(chr(10)) + 2}:1: error[GP101]" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "GUARDPROXY_SECRET_KEY"),
        ({"UPSTREAM_URL": "nonsense"}, "GUARDPROXY_UPSTREAM_URL"),
        ({"ON_REFUSAL": "shout"}, "GUARDPROXY_ON_REFUSAL"),
        ({"API_KEYS": "/nowhere/keys.json"}, "GUARDPROXY_API_KEYS"),
    ],
)
def test_a_wrong_setting_refuses_the_start_by_name(served: Served, settings, says):
    ended = serve(served, **settings)
    assert ended.returncode == 78
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_bad_reload_leaves_the_good_policy_live_and_says_degraded(served: Served):
    await served.start()
    good = served.policy.read_text("utf-8")
    before = (await served.chat(FAIR, "a"))[1]["x-guardproxy-policy"]
    served.policy.write_text(good.replace("version: 1", "version: one"), "utf-8")
    assert await served.becomes("degraded", 10.0)
    assert (await served.status())[0] == 200
    assert (await served.chat(FAIR, "b"))[1]["x-guardproxy-policy"] == before
    served.policy.write_text(good.replace("resume_after: 12h", "resume_after: 6h"), "utf-8")
    assert await served.becomes("ready", 10.0)
    after = (await served.chat(FAIR, "c"))[1]["x-guardproxy-policy"]
    assert after != before
    served.policy.unlink()
    assert await served.becomes("degraded", 10.0)
    assert (await served.chat(FAIR, "d"))[1]["x-guardproxy-policy"] == after


async def test_a_hangup_signal_reloads(served: Served):
    await served.start()
    assert served.process
    os.kill(served.process.pid, signal.SIGHUP)
    log = served.home / "log"
    assert await until(lambda: '"event":"policies"' in log.read_text("utf-8"), 10.0)


async def test_a_backend_that_hangs_is_an_error_in_time_and_words_on_whatsapp(served: Served):
    served.settings["UPSTREAM_TIMEOUT"] = "1"
    served.stub.mode = "hang"
    await served.start()
    started = time.monotonic()
    status, headers, body = await served.chat(FAIR, "ann")
    assert time.monotonic() - started < 3.0
    assert (status, headers["x-guardproxy-origin"]) == (504, "upstream")
    assert "in time" in body["error"]["message"]
    assert await served.deliver(webhook(message(1))) == 200
    assert await until(lambda: served.graph.sends, 8.0)
    served.stub.mode = ""
    assert (await served.chat(FAIR, "ann"))[0] == 200


async def test_a_backend_that_is_not_there_is_an_error_at_once(served: Served):
    served.settings["UPSTREAM_URL"] = "http://127.0.0.1:9/v1"
    await served.start()
    started = time.monotonic()
    status, headers, _ = await served.chat(FAIR, "ann")
    assert (status, headers["x-guardproxy-origin"]) == (502, "upstream")
    assert time.monotonic() - started < 3.0
