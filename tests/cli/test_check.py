"""`check` and `schema`."""

import json
from xml.etree import ElementTree as ET

import pytest

from guardproxy.policy.load import load_policy
from guardproxy.policy.model import schema
from tests.conftest import POLICIES, ROOT

BAD = ROOT / "tests" / "bad_policies" / "unknown_key_nested.yaml"


def test_good_policies_pass(run):
    done = run("check", POLICIES)
    assert done.exit_code == 0
    assert "4 policies, no errors" in done.stdout


def test_a_fault_is_shown_with_a_caret_and_ends_with_one(run):
    done = run("check", BAD)
    assert done.exit_code == 1
    assert (
        f"{BAD}:10:10: error[GP101] unknown key 'max_char'; did you mean 'max_chars'?"
        in done.stderr
    )
    assert done.stderr.splitlines()[2] == " " * 11 + "^"


def test_faults_for_programs(run):
    (fault,) = json.loads(run("check", BAD, "--format", "json").stdout)
    assert (fault["line"], fault["column"], fault["code"], fault["level"]) == (
        10,
        10,
        "GP101",
        "error",
    )


def test_faults_for_pull_requests(run):
    out = run("check", BAD, "--format", "github").stdout
    assert out.startswith(f"::error file={BAD},line=10,col=10::GP101 unknown key")


def test_faults_for_ci_servers(run):
    suite = ET.fromstring(run("check", BAD, "--format", "junit").stdout)
    assert suite.attrib["failures"] == "1"
    assert "GP101" in suite.find("testcase/failure").text


def test_an_unknown_format_is_a_usage_error(run):
    assert run("check", BAD, "--format", "morse").exit_code == 2


def test_warnings_are_shown_and_do_not_fail(run, tmp_path):
    text = (
        (ROOT / "tests" / "bad_policies" / "unknown_key.yaml").read_text("utf-8").splitlines()[:-1]
    )
    path = tmp_path / "small.yaml"
    path.write_text("\n".join(text), "utf-8")
    done = run("check", path)
    assert done.exit_code == 0
    assert "warning[GP201]" in done.stdout


def test_the_merged_policy_says_where_each_line_comes_from(run, bank):
    out = run("check", bank, "--show-merged").stdout
    lines = out.splitlines()
    assert lines[0].startswith("# harbour-bank@")
    for number, line in enumerate(bank.read_text("utf-8").splitlines(), start=1):
        if line.startswith("name:"):
            assert f"{line}  # {bank}:{number}" in lines
    assert "    audio: redirect  # whatsapp-business-2026" in lines
    assert any(line.endswith("# packs/lang/es.yaml") for line in lines)


def test_the_merged_policy_reads_back_as_what_is_served(run, bank):
    text = run("check", bank, "--show-merged").stdout
    again = bank.with_name("again.yaml")
    again.write_text(
        "\n".join(line for line in text.splitlines() if "policies," not in line), "utf-8"
    )
    one, other = load_policy(bank), load_policy(again)
    assert (one.topics, one.limits, one.input, one.escalation) == (
        other.topics, other.limits, other.input, other.escalation,
    )  # fmt: skip
    assert one.packs["es"].replies == other.packs["es"].replies


def test_two_files_of_one_name_are_a_fault(run, bank):
    bank.with_name("copy.yaml").write_text(bank.read_text("utf-8"), "utf-8")
    done = run("check", bank.parent)
    assert done.exit_code == 1
    assert "GP112" in done.stderr


@pytest.mark.parametrize("path", ["nobody.yaml", "/nowhere/at/all"])
def test_a_path_that_is_not_there_is_told(run, path):
    done = run("check", path)
    assert done.exit_code == 1
    assert "cannot be read" in done.stderr


def test_the_schema_is_printed(run):
    assert json.loads(run("schema").stdout) == schema()
