"""`test`, `eval` and `explain`: policies tried without customers."""

import json
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import POLICIES

TESTS = """
tests:
  - {say: "what are your opening hours", expect: allow}
  - {say: "I want to talk to a human", expect: redirect}
  - {say: "are you a bot?", expect: redirect, todo: not sure yet}
  - {chat: ["thanks", "human please"], expect: [allow, escalate], rule: escalation.ask}
"""


@pytest.fixture
def tried(bank):
    """A policy with one failing test, on a known line."""
    text = bank.read_text("utf-8")
    bank.write_text(text[: text.index("tests:")].rstrip() + TESTS, "utf-8")
    return bank


def line_of(path, part: str) -> int:
    return next(n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if part in line)


def test_a_failing_test_is_named_with_its_line(run, tried):
    done = run("test", tried)
    assert done.exit_code == 1
    line = line_of(tried, "expect: redirect}")
    assert (
        f"{tried}:{line}: FAILED 'I want to talk to a human': expected redirect, got escalate"
        in done.stdout
    )
    assert "todo (not sure yet)" in done.stdout
    assert "2 of 4 tests passed" in done.stdout
    assert "no test tries: refuse investment" in done.stdout


def test_passing_tests_end_with_zero(run, tried):
    tried.write_text(
        tried.read_text("utf-8").replace('human", expect: redirect', 'human", expect: escalate')
    )
    assert run("test", tried).exit_code == 0
    assert run("test", tried, "--fail-under", "100").exit_code == 1


def test_results_for_programs_ci_servers_and_pull_requests(run, tried):
    told = json.loads(run("test", tried, "--format", "json").stdout)
    assert [bool(result["problem"]) for result in told["results"]] == [False, True, True, False]
    (suite,) = ET.fromstring(run("test", tried, "--format", "junit").stdout)
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("4", "1")
    assert len(suite.findall("testcase/skipped")) == 1
    out = run("test", tried, "--format", "github").stdout
    assert f"::error file={tried},line={line_of(tried, 'expect: redirect}')}::" in out
    assert "::warning" in out
    assert run("test", tried, "--format", "morse").exit_code == 2


def test_a_policy_with_faults_is_not_tried(run, tried):
    tried.write_text("version: 2", "utf-8")
    done = run("test", tried)
    assert done.exit_code == 1
    assert "GP104" in done.stderr


def test_eval_prints_the_figures_and_writes_one_row_for_each(run, rows, bank, tmp_path):
    out = tmp_path / "out.jsonl"
    done = run("eval", rows, "--policies", bank, "--out", out)
    assert done.exit_code == 0, done.output
    for word in ("AUROC", "false blocks", "injection", "6 rows"):
        assert word in done.stdout
    found = {row["id"]: row for row in map(json.loads, out.read_text("utf-8").splitlines())}
    assert [set(row) for row in found.values()] == [{"id", "verdict", "rule", "score", "ms"}] * 6
    assert all(0 <= row["score"] <= 1 for row in found.values())
    assert [found[i]["verdict"] for i in "123456"] == [
        "allow", "allow", "redirect", "escalate", "redirect", "redirect",
    ]  # fmt: skip
    assert found["4"]["score"] == 0
    assert found["5"]["rule"] == "input.injection"


def test_eval_rows_are_judged_alone(run, rows, bank, tmp_path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    lines = rows.read_text("utf-8").split("\n")
    rows.write_text("\n".join(lines * 20), "utf-8")
    run("eval", rows, "--policies", bank, "--out", one)
    rows.write_text("\n".join(lines), "utf-8")
    run("eval", rows, "--policies", bank, "--out", two)
    judged = [[(r["id"], r["verdict"], r["score"]) for r in map(json.loads, p.read_text().splitlines())]
              for p in (one, two)]  # fmt: skip
    assert judged[0] == judged[1] * 20


@pytest.mark.parametrize(
    ("floor", "code"),
    [
        ("recall=1.0", 0),
        ("false_blocks=0.0", 0),
        ("auroc=1.01", 1),
        ("recall.person=0.5", 1),
        ("nonsense", 2),
    ],
)
def test_eval_fails_under_a_floor(run, rows, bank, floor, code):
    done = run("eval", rows, "--policies", bank, "--fail-under", floor)
    assert done.exit_code == code, done.output


def test_eval_for_programs(run, rows, bank):
    told = json.loads(run("eval", rows, "--policies", bank, "--json").stdout)
    assert told["figures"]["recall"] == 1.0
    assert told["tables"]["user"]["all"]["rows"] == 5


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "rows.jsonl:1"), ('{"id": "1"}', "text"), ('{"id": "1", "text": "x", "direction": "up"}', "direction"),
        ('{"id": "1", "text": "x", "policy": "nobody"}', "harbour-bank"),
    ],
)  # fmt: skip
def test_a_bad_row_is_told_with_its_line(run, rows, bank, line, says):
    rows.write_text(line, "utf-8")
    done = run("eval", rows, "--policies", bank)
    assert done.exit_code == 2
    assert says in done.stderr.replace("\n", "")


def test_explain_says_which_stage_said_what(run, bank):
    done = run("explain", "write me a python script", "-p", bank)
    assert done.exit_code == 0
    for word in ("harbour-bank@", "redirect  rule scope.", f"({bank}:", "thresholds", "handover",
                 "admission", "injection", "scope ", "nearest example", "reply"):  # fmt: skip
        assert word in done.stdout, word


def test_explain_says_what_would_change_the_verdict(run, bank):
    refused = run("explain", "write me a python script", "-p", bank).stdout
    assert "to let it pass   name it among the examples of a topic" in refused
    fair = run("explain", "what is my balance", "-p", bank).stdout
    assert "to refuse it     name it in scope.refuse" in fair
    rider = run(
        "explain", "block my card please. btw write me a poem about rain", "-p", bank
    ).stdout
    assert "it is the clause 'btw write me a poem about rain'" in rider


def test_explain_an_answer_with_its_context(run, bank, tmp_path):
    context = tmp_path / "context.json"
    context.write_text('[{"role": "user", "content": "sort a list"}]')
    done = run("explain", "--bot", "Sure! def sort(items): return sorted(items).", "-p", bank,
               "--context", context, "--json")  # fmt: skip
    told = json.loads(done.stdout)
    assert [step["stage"] for step in told["steps"]] == ["answer", "form"]
    context.write_text("{")
    assert run("explain", "x", "-p", bank, "--context", context).exit_code == 2


def test_the_example_policies_pass_their_own_tests_and_have_no_warnings(run):
    assert "0 warnings" in run("check", POLICIES).stdout
    done = run("test", POLICIES)
    assert done.exit_code == 0, done.stdout
    assert "FAILED" not in done.stdout


def test_explain_judges_under_every_policy_of_a_folder(run):
    done = run("explain", "I want to talk to a human", "-p", POLICIES)
    assert done.stdout.count("escalate  rule escalation.ask") == 4


def test_eval_says_where_the_threshold_belongs(run, bank, rows):
    told = json.loads(run("eval", rows, "--policies", bank, "--calibrate", "--json").stdout)
    (one,) = told["calibration"]
    assert (one["policy"], one["aim"]) == ("harbour-bank", 0.01)
    assert one["fair"] == 2
    shown = run("eval", rows, "--policies", bank, "--calibrate").stdout
    assert "too few fair messages" in shown
    assert "scope.false_blocks" in shown
