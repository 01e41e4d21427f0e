"""Every command in the documents is run, in their order, in one folder; those that serve are parsed."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from guardproxy import cli
from guardproxy.store.conversations import Conversations
from guardproxy.store.revisions import Revision, keep
from tests.cli import test_operations
from tests.cli.conftest import _verbs, run
from tests.conftest import POLICIES, ROOT
from tests.store.test_conversations import case, close, fresh

__all__ = ["_verbs", "run"]  # fixtures, where pytest finds them
elsewhere = test_operations.elsewhere
DOCS = sorted((ROOT / "docs").glob("*.md"))
TRIED = ("policy.md", "operations.md", "console.md", "handover.md")
SERVES = ("serve", "demo")  # these go on until they are told to stop
SENDS = "reply"  # needs a customer who has written on WhatsApp: see tests/people
FINDS = {"doctor"}  # ends with 1 where something is missing, and here something is


def fenced(text: str) -> list[list[str]]:
    """The guardproxy commands of shell blocks, as words."""
    lines = "".join(re.findall(r"^```(?:sh|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    found = (shlex.split(line.removeprefix("$ "), comments=True) for line in lines.splitlines())
    return [words for words in found if words[:1] == ["guardproxy"]]


def named(text: str) -> list[list[str]]:
    """Those in running text too; blanks in capitals stand for what a reader fills in."""
    inline = re.findall(r"`guardproxy ([a-z][^`\n]*)`", text)
    return fenced(text) + [["guardproxy", *words.split()] for words in inline]


ALL = [
    (path.name, words)
    for path in [ROOT / "README.md", *DOCS]
    for words in named(path.read_text("utf-8"))
]
RUN = {path.name: fenced(path.read_text("utf-8")) for path in DOCS}


@pytest.mark.parametrize(("name", "words"), ALL, ids=[" ".join((n, *w[1:])) for n, w in ALL])
@pytest.mark.usefixtures("_verbs")
def test_a_command_that_is_named_has_that_verb_and_those_options(name, words):
    commands = typer.main.get_command(cli.app).commands
    assert words[1] in commands
    known = {option for param in commands[words[1]].params for option in param.opts}
    assert {word.partition("=")[0] for word in words[2:] if word.startswith("-")} <= known | {
        "--help"
    }


@pytest.fixture
async def folder(elsewhere, connection) -> Path:
    """A folder with what the documents' commands name: a policy and its successor, labelled rows."""
    bank = (POLICIES / "harbour-bank.yaml").read_text("utf-8")
    turn = fresh("t")
    who = {"business": "my-restaurant", "caller": "k", "person": None, "conversation": None}
    record = {"id": turn, "at": 1767312000.0, "business": "my-restaurant", "verdict": "allow",
              "policy": "my-restaurant@0", "steps": [], "text": "hello",
              "trial": {"policy": "my-restaurant-next@0", "verdict": "allow", "rule": None, "same": True}}  # fmt: skip
    await close(Conversations(connection), who, turn=turn, record=record, now=None)
    await keep(connection, Revision(policy="my-restaurant", rev="0" * 12, at=1.0, text=bank))
    (elsewhere / "new.yaml").write_text(bank.replace("harbour-bank", "my-restaurant", 1), "utf-8")
    row = {"id": "1", "text": "when is my bill due", "label": "in_scope"}
    for name in ("labelled.jsonl", "marks.jsonl"):
        (elsewhere / name).write_text(json.dumps(row), "utf-8")
    talk = who | {"person": fresh("p"), "conversation": fresh("c")}
    await close(
        Conversations(connection), talk, verdict="escalate", case=case("esc_wa_1f"), now=None
    )
    return elsewhere


def test_every_command_of_the_docs_runs(run, folder):
    done = {}
    for words in [words for name in TRIED for words in RUN[name]]:
        if words[1] in SERVES or SENDS in words:
            continue
        result = run(*words[1:])
        allowed = {0, 1} if words[1] in FINDS else {0}
        assert result.exit_code in allowed, (words, result.output)
        done[" ".join(words[1:3])] = result.output
    assert "0 warnings" in done["check policies/"]
    assert "holds" in done["evidence --verify"]
    assert (folder / "replay.html").exists()


def test_no_document_has_commands_that_no_test_runs():
    assert {name for name, found in RUN.items() if found} == set(TRIED)


def test_the_documents_commands_are_found():
    assert len(ALL) > 25
    assert {"serve", "replay", "rollback", "evidence"} <= {
        words[1] for words in RUN["operations.md"]
    }
