"""`replay`, `forget` and `evidence` on the command line, with a store."""

import json
import uuid
from pathlib import Path

import pytest

from guardproxy.core.identity import person_key
from guardproxy.store.conversations import Conversations
from guardproxy.store.revisions import Revision, keep
from tests.cli import test_operations
from tests.store.test_conversations import close, fresh

elsewhere = test_operations.elsewhere  # a fixture: a folder of its own, with the tests' store


@pytest.fixture
def rows(tmp_path):
    """Records of a bank's turns."""
    path = tmp_path / "records.jsonl"
    step = {"stage": "scope", "verdict": "redirect", "rule": "scope.off_topic", "score": 0.999}
    off = {
        "verdict": "redirect",
        "rule": "scope.off_topic",
        "steps": [step],
        "text": "write a poem about the moon",
    }
    fair = {
        "verdict": "allow",
        "steps": [step | {"verdict": "allow", "rule": None, "score": 0.01}],
        "text": "thanks",
    }
    made = [{"id": f"t{n}", "at": n * 99.0, **(off if n % 2 else fair)} for n in range(8)]
    path.write_text("\n".join(json.dumps(row) for row in made), "utf-8")
    return path


def test_a_replay_is_told_and_held_to_a_share(run, bank, rows):
    done = run("replay", rows, "-p", bank, "--max-changed", "2%")
    assert done.exit_code == 0, done.output
    bank.write_text(
        bank.read_text("utf-8").replace("scope:\n", "scope:\n  off_topic: allow\n", 1), "utf-8"
    )
    told = run("replay", rows, "-p", bank, "--max-changed", "2%", "--json")
    assert told.exit_code == 1
    figures = json.loads(told.stdout)
    assert figures["changed_share"] == 0.5
    assert {"was": "redirect", "now": "allow", "turns": 4} in figures["matrix"]
    assert "-> allow" in run("replay", rows, "-p", bank).stdout


@pytest.mark.parametrize("args", [("--max-changed", "lots"), ("--max-changed", "101%")])
def test_a_share_that_is_none_is_a_usage_error(run, bank, rows, args):
    assert run("replay", rows, "-p", bank, *args).exit_code == 2


def test_a_file_without_records_is_a_usage_error(run, bank, tmp_path):
    assert run("replay", tmp_path / "nowhere", "-p", bank).exit_code == 2
    (tmp_path / "other.jsonl").write_text(
        '{"id": "a", "verdict": "allow", "business": "x"}', "utf-8"
    )
    assert "no record of" in run("replay", tmp_path / "other.jsonl", "-p", bank).output


@pytest.fixture
async def left(connection):
    """A turn of a customer, +1 555 000 7777; its id, their key, and how to look for it."""
    person, turn = person_key(b"k" * 32, "+1 555 000 7777"), fresh("t")
    who = {"business": "harbour-bank", "caller": "k", "person": person, "conversation": person}
    record = {"id": turn, "at": 50.0, "business": "harbour-bank", "person": person, "conversation": person,
              "verdict": "redirect", "rule": "scope.off_topic", "policy": "harbour-bank@000000000000",
              "text": "write me a poem", "topic": None, "language": "en", "steps": []}  # fmt: skip
    await close(Conversations(connection), who, turn=turn, record=record, now=None)
    return turn, person


def test_a_person_is_forgotten_by_any_spelling_of_their_number(
    run, elsewhere, left, bank, tmp_path
):
    turn, person = left
    told = json.loads(run("forget", "15550007777", "--json").stdout)
    assert told["person"] == person
    assert told["keys"] >= 1
    run("replay", tmp_path / "all.jsonl", "-p", bank, "--export")
    assert turn not in (tmp_path / "all.jsonl").read_text("utf-8")


def test_a_person_is_taken_out_of_exported_records(run, elsewhere, left, tmp_path):
    turn, person = left
    rows = [{"id": turn, "verdict": "allow", "person": person}, {"id": "other", "verdict": "allow", "person": "q"},
            {"id": "talk", "verdict": "allow", "conversation": person}]  # fmt: skip
    path = tmp_path / "exported.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    told = json.loads(run("forget", "+1 555 000 7777", "--records", path, "--json").stdout)
    assert told["records"] == 2
    assert path.read_text("utf-8") == json.dumps(rows[1]) + "\n"
    path.write_text("{}\n", "utf-8")
    assert run("forget", "+1 555 000 7777", "--records", path).exit_code == 2


def test_the_stores_records_are_exported_and_replayed(run, elsewhere, left, bank, tmp_path):
    done = run("replay", tmp_path / "all.jsonl", "-p", bank, "--export", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["turns"] >= 1
    assert left[0] in (tmp_path / "all.jsonl").read_text("utf-8")
    assert run("replay", tmp_path / "all.jsonl", "-p", bank, "--export").exit_code == 2


def test_evidence_is_written_checked_and_forgets(run, elsewhere, left, bank):
    _, person = left
    args = ("--from", "1970-01-01", "--to", "1970-01-02", "--policies", bank)
    told = json.loads(run("evidence", *args, "--json").stdout)
    assert told["decisions"] >= 1
    file, page = elsewhere / told["file"], elsewhere / told["page"]
    assert person in file.read_text("utf-8")
    text = page.read_text("utf-8")
    assert "Harbour Bank" in text
    assert "cannot promise Meta" in text
    assert "scope.off_topic" in text
    assert run("evidence", "--verify", file).exit_code == 0
    assert (
        json.loads(run("forget", "+15550007777", "--evidence", file, "--json").stdout)["evidence"]
        >= 1
    )
    assert person not in file.read_text("utf-8")
    assert "write me a poem" in text
    assert "write me a poem" not in page.read_text("utf-8")
    assert "write me a poem" not in file.read_text("utf-8")
    checked = json.loads(run("evidence", "--verify", file, "--json").stdout)
    assert checked["holds"]
    assert checked["erased"] >= 1
    page.write_text(text + " ", "utf-8")
    assert run("evidence", "--verify", file).exit_code == 1
    file.write_text(file.read_text("utf-8").replace("redirect", "escalate", 1), "utf-8")
    assert "evidence-" in run("evidence", "--verify", file).stdout


def test_evidence_of_a_file_of_records_counts_purposes_and_redacts(run, elsewhere, bank, tmp_path):
    rows = [
        {"id": "a", "at": 5.0, "business": "harbour-bank", "verdict": "allow", "topic": "cards", "policy": "harbour-bank@a"},
        {"id": "b", "at": 6.0, "business": "harbour-bank", "verdict": "redirect", "rule": "scope.off_topic",
         "text": "poem for me@example.com", "policy": "harbour-bank@b"},
        {"id": "c", "at": 99999999.0, "business": "harbour-bank", "verdict": "allow"},
    ]  # fmt: skip
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    args = ("--from", "1970-01-01", "--to", "1970-01-02", "--policies", bank, "--records", path)
    told = json.loads(run("evidence", *args, "--json").stdout)
    assert told["decisions"] == 2
    bodies = [
        json.loads(line) for line in (elsewhere / told["file"]).read_text("utf-8").splitlines()
    ]
    kinds = {row["kind"]: row["body"] for row in bodies}
    assert kinds["figures"]["verdicts"] == {"allow": 1, "redirect": 1}
    assert sum(kinds["figures"]["purposes"].values()) == 1.0
    assert [one["policy"] for one in kinds["scope"]["revisions"]] == [
        "harbour-bank@a",
        "harbour-bank@b",
    ]
    assert kinds["sample"]["text"] == "poem for [email]"


@pytest.mark.parametrize(
    ("since", "until"), [("x", "2026-01-01"), ("2026-01-02", "2026-01-01"), ("", "")]
)
def test_a_period_that_is_none_is_a_usage_error(run, elsewhere, since, until):
    assert run("evidence", "--from", since, "--to", until).exit_code == 2


@pytest.fixture
async def disputed(connection):
    """The record of a turn that a policy on trial would have decided otherwise."""
    turn = uuid.uuid4().hex
    step = {"stage": "scope", "check": "hit", "score": 0.99, "shadow": False, "ms": 1.0,
            "findings": ["scope.poem"], "why": []}  # fmt: skip
    record = {"id": turn, "at": 50.0, "business": "harbour-bank", "verdict": "redirect", "rule": "scope.off_topic",
              "policy": "harbour-bank@000000000000", "text": "a poem", "score": 0.99, "steps": [step], "surface": "chat",
              "trial": {"policy": "harbour-next@1", "verdict": "allow", "rule": None, "same": False}}  # fmt: skip
    who = {"business": "harbour-bank", "caller": "k", "person": None, "conversation": None}
    await close(Conversations(connection), who, turn=turn, record=record, now=None)
    return record


def test_a_recorded_decision_is_explained_from_the_store(run, elsewhere, disputed, bank):
    done = run("explain", disputed["id"], "-p", bank)
    assert done.exit_code == 0, done.output
    for part in ("harbour-bank@000000000000  1970-01-01", "redirect  rule scope.off_topic", "scope.poem",
                 "on trial  harbour-next@1  allow", "text  a poem", "rollback harbour-bank"):  # fmt: skip
        assert part in done.stdout
    assert json.loads(run("explain", disputed["id"], "-p", bank, "--json").stdout) == disputed
    assert "no decision" in run("explain", uuid.uuid4().hex, "-p", bank).output


def test_disagreements_with_a_policy_on_trial_are_listed(run, elsewhere, disputed):
    told = json.loads(run("compare", "harbour-next", "--json").stdout)
    assert told["differ"] >= 1
    assert disputed["id"] in [row["id"] for row in told["disagreements"]]
    assert "redirect (scope.off_topic) -> allow (-)" in run("compare", "harbour-next").stdout
    assert run("compare", "nobody-compared-this").exit_code == 2


@pytest.fixture
async def served(connection, bank):
    """A policy of which two revisions were served, the first one twice; its name and its text."""
    name = fresh("p").replace("_", "-")
    good = bank.read_text("utf-8").replace("name: harbour-bank", f"name: {name}", 1)
    for number, text in enumerate((good, good + "# newer\n", good)):
        made = Revision(policy=name, rev=f"{number % 2}" * 12, at=float(number), text=text)
        assert await keep(connection, made)
    assert not await keep(connection, made)  # it is the newest already
    return name, good


def test_a_policy_goes_back_to_an_earlier_revision(run, elsewhere, served, bank):
    name, good = served
    listed = json.loads(run("rollback", name, "--json").stdout)
    assert listed == [{"rev": "0" * 12, "at": 2.0}, {"rev": "1" * 12, "at": 1.0}]
    path = bank.rename(bank.with_name(f"{name}.yaml"))
    path.write_text(good + "never served: 1\n", "utf-8")
    back = ("rollback", name, "--policies", path.parent, "--to")
    done = json.loads(run(*back, "111", "--json").stdout)
    assert path.read_text("utf-8") == good + "# newer\n"
    assert "never served" in Path(done["replaced"]).read_text("utf-8")
    assert json.loads(run(*back, f"{name}@000", "--json").stdout)["replaced"] is None
    assert path.read_text("utf-8") == good
    assert run(*back, "f").exit_code == 2
    assert run("rollback", "nobody").exit_code == 2


def test_evidence_holds_eval_results_vendors_and_exemptions(
    run, elsewhere, bank, tmp_path, rows, monkeypatch
):
    monkeypatch.setenv("GUARDPROXY_UPSTREAM_URL", "https://llm.example/v1")
    monkeypatch.setenv("GUARDPROXY_LLM_HOSTS", '{"llm.example": "no training"}')
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text('{"id": "1", "text": "when is my credit card bill due", "label": "in_scope"}\n'
                        '{"id": "2", "text": "write me a python script", "label": "off"}\n', "utf-8")  # fmt: skip
    args = ("--from", "2026-07-01", "--to", "2026-07-02", "--policies", bank, "--records", rows)
    told = json.loads(run("evidence", *args, "--eval", labelled, "--json").stdout)
    lines = (elsewhere / told["file"]).read_text("utf-8").splitlines()
    bodies = {row["kind"]: row["body"] for row in map(json.loads, lines)}
    assert bodies["eval"]["rows"] == 2
    assert bodies["eval"]["figures"]["recall"] == 1.0
    assert bodies["vendors"] == {"hosts": {"llm.example": "no training"}}
    assert [one["country"] for one in bodies["exemptions"]["in_force"]] == ["BR", "EEA"]
    page = (elsewhere / told["page"]).read_text("utf-8")
    for part in (
        "Country exemptions",
        "none: guardproxy holds every country",
        "CADE",
        "llm.example",
        "Evaluation",
    ):
        assert part in page
    assert run("evidence", "--verify", elsewhere / told["file"]).exit_code == 0
    assert run("evidence", *args, "--eval", tmp_path / "none").exit_code == 2
