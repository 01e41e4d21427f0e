"""Prometheus can read what is served, alerts fire when they should, and dashboards draw something."""

import asyncio
import json
import re
import shutil
import subprocess
import time

import pytest
import yaml

from guardproxy.observe.metrics import Metrics
from tests.conftest import ROOT
from tests.faults.process import environment, free_port, served

__all__ = ["served"]  # a fixture, where pytest finds it
MONITORING = ROOT / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana/dashboards/guardproxy.json").read_text("utf-8"))
ALERTS = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
NAME = re.compile(r"\bguardproxy[_:][a-z0-9_:]+")
OFF = ["tolong buatkan kode python", "write me a python script"]


def expressions() -> list[str]:
    """All that dashboards and alerts ask for."""
    drawn = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    rules = [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]
    return [*drawn, *rules, DASHBOARD["templating"]["list"][0]["query"]["query"]]


NAMES = sorted({name for text in expressions() for name in NAME.findall(text)})


def promtool(*args: str, **more) -> subprocess.CompletedProcess[str]:
    """Debian's promtool."""
    assert shutil.which("promtool"), "no promtool here; apt-get install prometheus"
    return subprocess.run(["promtool", *args], capture_output=True, text=True, check=False, **more)


@pytest.mark.slow
@pytest.mark.parametrize("args", [
    ["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"],
    ["check", "config", "--syntax-only", "prometheus.yml"],
], ids=" ".join)  # fmt: skip
def test_promtool_finds_no_fault(args):
    done = promtool(*args, cwd=MONITORING)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test():
    tests = yaml.safe_load((MONITORING / "alerts_test.yml").read_text("utf-8"))["tests"]
    tried = {
        case["alertname"] for test in tests for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }  # fmt: skip
    alerts = {r["alert"] for group in ALERTS["groups"] for r in group["rules"] if "alert" in r}
    assert tried == alerts


def test_each_alert_says_what_to_do():
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert {"summary", "description"} <= set(rule["annotations"])
                assert rule["labels"]["severity"] in ("warning", "critical")


def test_no_label_comes_from_a_customer_or_a_model():
    found = set()
    for family in Metrics().registry.collect():
        for sample in family.samples:
            found |= set(sample.labels)
    named = {
        label for metric in vars(Metrics()).values() for label in getattr(metric, "_labelnames", ())
    }
    assert found | named <= {"policy", "surface", "verdict", "rule", "stage", "outcome", "mode", "kind", "category", "what",
                             "result", "le"}  # fmt: skip


def test_the_compose_files_parts_fit_each_other():
    services = COMPOSE["services"]
    assert {n for n, s in services.items() if s.get("profiles") == ["monitoring"]} == {
        "prometheus",
        "grafana",
    }
    for service in services.values():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            there = (
                (ROOT / source).exists()
                if source.startswith("./")
                else source in COMPOSE["volumes"]
            )
            assert there, mount
        for secret in service.get("secrets", ()):
            assert secret in COMPOSE["secrets"]
        for port in service.get("ports", ()):
            assert port == "8080:8080" or port.startswith("127.0.0.1:"), (
                "only customers come from outside"
            )
    (source,) = yaml.safe_load(
        (MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8")
    )["datasources"]
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == source["uid"]
    assert {panel["id"] for panel in DASHBOARD["panels"]} == set(
        range(1, len(DASHBOARD["panels"]) + 1)
    )
    (job,) = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["guardproxy:8081"]


CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: guardproxy
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["{target}"]}}]
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_real_prometheus_finds_every_named_metric_on_two_workers(served, tmp_path):
    assert shutil.which("prometheus"), "no prometheus here; apt-get install prometheus"
    token = "prometheus-reads-with-this"
    served.settings |= {"ADMIN_TOKEN": token, "SCOPE_ENCODERS": "use"}
    served.session.headers["Authorization"] = f"Bearer {token}"
    await served.start("--workers", "2")
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(
        CONFIG.format(rules=MONITORING / "alerts.yml", token=token, target=served.admin[7:])
    )
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220  starting one takes a millisecond
            ["prometheus", f"--config.file={tmp_path}/prometheus.yml",
             f"--storage.tsdb.path={tmp_path}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log, env=environment(),
        )  # fmt: skip
    try:
        await asyncio.gather(
            *(served.chat(f"booking meja {n} orang", f"fair-{n}") for n in range(8))
        )
        for number, text in enumerate(OFF * 2):
            await served.chat(text, f"off-{number}")
            await asyncio.sleep(1.2)  # in several scrapes: a rise needs two
        missing = await lacking(served, port)
        assert not missing, f"{missing}\n{served.told()}"
        turns = await asked(served, port, "sum(guardproxy_turns_total)")
        assert turns == 12  # both workers together, each turn once
        assert await asked(served, port, "sum(guardproxy_store_up)") == 1
        await lints(served)
    finally:
        process.terminate()
        process.wait(20)


async def lacking(served, port: int) -> list[str]:
    """The names that a minute's scrapes do not bring."""
    end, missing = time.monotonic() + 60, NAMES
    while missing and time.monotonic() < end:
        missing = [n for n in missing if not await asked(served, port, f"count({n})")]
        await asyncio.sleep(0.5)
    return missing


async def asked(served, port: int, query: str) -> float:
    """An instant query's one value, 0 where there is none."""
    url = f"http://127.0.0.1:{port}/api/v1/query"
    try:
        async with served.session.get(url, params={"query": query}) as response:
            result = (await response.json())["data"]["result"]
    except OSError:
        return 0.0  # it starts
    return float(result[0]["value"][1]) if result else 0.0


async def lints(served) -> None:
    """What is served keeps Prometheus's own rules for names."""
    async with served.session.get(f"{served.admin}/metrics") as response:
        text = await response.text()
    done = promtool("check", "metrics", input=text)
    assert done.returncode == 0, done.stdout + done.stderr
