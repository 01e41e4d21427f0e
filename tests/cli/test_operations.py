"""`doctor`, `escalations`, and what every verb does with mistakes."""

import json
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest

from guardproxy import cli
from guardproxy.core.phases import Phase
from guardproxy.store.conversations import Conversations
from tests.faults.process import free_port
from tests.people.helpdesk import write
from tests.store.test_conversations import admit, case, close, fresh


@pytest.fixture
def elsewhere(monkeypatch, store, tmp_path):
    """A working folder of its own, with the tests' store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GUARDPROXY_REDIS_URL", store)
    monkeypatch.setenv("GUARDPROXY_SECRET_KEY", "k" * 32)
    return tmp_path


def test_doctor_says_what_is_missing_and_what_to_do(run, elsewhere, bank):
    done = run("doctor", "--policies", bank.parent)
    assert done.exit_code == 1
    assert "GUARDPROXY_UPSTREAM_URL" in done.stdout
    assert "ok    policy       harbour-bank@" in done.stdout
    assert "ok    store" in done.stdout


def test_doctor_is_content_when_all_is_set(run, elsewhere, bank, monkeypatch):
    for name in ("WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN", "WHATSAPP_ACCESS_TOKEN"):
        monkeypatch.setenv(f"GUARDPROXY_{name}", "x")
    monkeypatch.setenv("GUARDPROXY_UPSTREAM_URL", "http://127.0.0.1:9/v1")
    done = run("doctor", "--policies", bank.parent, "--json")
    assert done.exit_code == 0, done.stdout
    assert all(found["ok"] for found in json.loads(done.stdout))


def test_doctor_names_faults_and_unset_variables(run, elsewhere, bank):
    text = bank.read_text("utf-8").replace(
        '"106540352242923"}', '"1", access_token: env:NOT_SET_9}'
    )
    bank.write_text(text, "utf-8")
    assert "NOT_SET_9" in run("doctor", "--policies", bank.parent).stdout
    bank.write_text("version: 2", "utf-8")
    assert "guardproxy check" in run("doctor", "--policies", bank.parent).stdout
    assert "none in" in run("doctor", "--policies", elsewhere / "nowhere").stdout


CHANNELS = """
    hook: {kind: human, via: webhook, url: "http://127.0.0.1:PORT/cases", secret: env:T_SECRET}
    woot: {kind: human, via: chatwoot, url: "http://127.0.0.1:PORT", account: 1, secret: env:T_SECRET}
    post: {kind: email, to: help@kettle.example}
    told: {kind: human, notify: env:T_NOTIFY}
"""


@pytest.mark.parametrize("listens", [True, False])
def test_doctor_looks_whether_cases_would_arrive(run, elsewhere, monkeypatch, listens):
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        port = there.getsockname()[1]
        if listens:
            there.listen()
        monkeypatch.setenv("T_SECRET", "s")
        monkeypatch.setenv("T_NOTIFY", f"http://127.0.0.1:{port}/chat")
        if not listens:
            monkeypatch.setenv("GUARDPROXY_SMTP_URL", f"smtp://127.0.0.1:{port}")
            monkeypatch.setenv("GUARDPROXY_SMTP_FROM", "bot@kettle.example")
        ways = CHANNELS.replace("PORT", str(port))
        if listens:  # a bare socket is no Chatwoot: it would not answer
            ways = "\n".join(line for line in ways.splitlines() if "woot" not in line)
        folder = write(elsewhere / "policies", "kettle-shop", ways=ways)
        rows = json.loads(run("doctor", "--policies", folder, "--json").stdout)
    told = [row for row in rows if row["what"] == "channel"]
    assert [row["ok"] for row in told] == [listens] * (3 if listens else 4), told


def test_doctor_probes_a_running_guardproxy(run):
    done = run("doctor", "--probe", "--admin", f"127.0.0.1:{free_port()}")
    assert (done.exit_code, done.stdout) == (1, "not ready\n")


@pytest.fixture
async def waiting(connection):
    """A conversation that waits for a person: its case, and how to look at its phase."""
    who = {"business": fresh("b"), "caller": "k", "person": fresh("p"), "conversation": fresh("c")}
    kept, name = Conversations(connection), fresh("esc_cli")
    await close(kept, who, verdict="escalate", case=case(name, reason="a cake"), now=None)

    async def phase() -> Phase:
        return (await admit(kept, who, now=None)).phase

    return name, phase


def test_escalations_are_listed_and_shown(run, elsewhere, waiting):
    name, _ = waiting
    assert name in run("escalations", "list").stdout
    rows = json.loads(run("escalations", "list", "--json").stdout)
    assert {"status": "open", "reason": "a cake", "asks": 1}.items() <= next(
        r for r in rows if r["id"] == name
    ).items()
    assert "a cake" in run("escalations", "show", name).stdout
    assert json.loads(run("escalations", "show", name, "--json").stdout)["id"] == name


def test_escalations_are_taken_resolved_and_handed_back(run, elsewhere, waiting):
    name, _ = waiting
    taken = json.loads(run("escalations", "take", name, "--by", "sri", "--json").stdout)
    assert (taken["status"], taken["by"]) == ("taken", "sri")
    assert "resolved" in run("escalations", "resolve", name, "--by", "sri").stdout
    assert name not in run("escalations", "list").stdout
    done = run("escalations", "hand-back", name)
    assert done.exit_code != 0
    assert "resolved already, by sri" in str(done.exception)


def test_an_unknown_escalation_is_told(run, elsewhere):
    assert "guardproxy escalations list" in str(run("escalations", "show", "nobody").exception)


def test_every_verb_has_help(run):
    for verb in cli.VERBS:
        done = run(verb, "--help")
        assert done.exit_code == 0, verb
    assert run("no_such_verb").exit_code == 2


def test_main_says_errors_in_one_line(monkeypatch, capsys, elsewhere):
    monkeypatch.setenv("GUARDPROXY_UPSTREAM_URL", "nonsense")
    monkeypatch.setattr("sys.argv", ["guardproxy", "doctor"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "GUARDPROXY_UPSTREAM_URL" in capsys.readouterr().err


def test_doctor_says_where_the_vocabulary_is_to_go(run, elsewhere, monkeypatch):
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    done = run("doctor", "--fetch-vocab")
    assert done.exit_code == 1
    assert "TIKTOKEN_CACHE_DIR" in done.stderr


def test_doctor_finds_a_vocabulary_that_is_there(run, elsewhere, monkeypatch):
    shipped = Path(find_spec("litellm").origin).parent / "litellm_core_utils" / "tokenizers"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shipped))
    done = run("doctor", "--fetch-vocab")
    assert (done.exit_code, str(shipped) in done.stdout) == (0, True)
