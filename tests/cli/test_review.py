"""`review` on the command line."""

import json

import pytest

from tests.rehearsal.test_review import CHATS, PROMPTS


@pytest.fixture
def prompt(tmp_path, monkeypatch):
    """A prompt in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "prompt.txt"
    path.write_text(PROMPTS["bad_biz"], "utf-8")
    return path


def test_findings_are_told_with_place_quote_and_fix_and_end_with_one(run, prompt):
    done = run("review", prompt)
    assert done.exit_code == 1
    assert f"{prompt}:3: high [collects_secrets]" in done.stdout
    assert '"Ask the passenger for the full credit card number' in done.stdout
    assert "write instead:" in done.stdout


def test_a_good_prompt_ends_with_zero(run, prompt):
    prompt.write_text(PROMPTS["biz_en"], "utf-8")
    done = run("review", prompt)
    assert done.exit_code == 0, done.output


def test_a_draft_passes_check_and_is_not_overwritten(run, prompt, tmp_path):
    told = json.loads(run("review", prompt, "--draft", "--json").stdout)
    assert run("check", tmp_path / told["draft"]).exit_code == 0
    assert run("review", prompt, "--draft").exit_code == 2
    assert run("review", prompt, "--draft", "--force").exit_code == 1


def test_past_chats_are_judged_by_a_policy_or_by_the_draft(run, prompt, bank):
    chats = prompt.with_name("chats.jsonl")
    chats.write_text("\n".join(json.dumps(row) for row in CHATS), "utf-8")
    told = json.loads(run("review", prompt, "--transcripts", chats, "-p", bank, "--json").stdout)
    assert told["chats"]["share"] == 0.5
    assert "past chats:" in run("review", prompt, "--transcripts", chats).stdout


def test_a_file_that_is_not_there_is_a_usage_error(run, prompt):
    assert run("review", "nowhere.txt").exit_code == 2
    assert run("review", prompt, "--transcripts", "nowhere.jsonl").exit_code == 2
