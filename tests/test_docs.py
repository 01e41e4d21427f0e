"""The documents tell the truth: commands run, and every key, setting, verb and figure is there."""

import json
import re
from pathlib import Path

import pytest
import yaml

from guardproxy import cli
from guardproxy.edges.llm.routes import ROUTES
from guardproxy.observe.metrics import Metrics
from guardproxy.pipeline.reply import WORDS
from guardproxy.policy.codes import CODES
from guardproxy.policy.pack import REPLIES
from guardproxy.rehearsal.review import RULES
from guardproxy.settings import Settings
from tests.cli.conftest import _verbs, run
from tests.conftest import ROOT
from tests.policy.test_model import KEYS

__all__ = ["_verbs", "run"]  # fixtures, where pytest finds them
README = (ROOT / "README.md").read_text("utf-8")
POLICY = (ROOT / "docs" / "policy.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str, kind: str) -> list[str]:
    """The code blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 200


def shell(text: str) -> list[tuple[list[str], str]]:
    """The commands of a console block with what they are said to print."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)[1:]
    return [(command.split(), out) for command, out in zip(parts[::2], parts[1::2], strict=True)]


COMMANDS = [pair for block in blocks(README, "console") for pair in shell(block)]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with the README's policy, and one with a typing error in it."""
    policy = blocks(README, "yaml")[0]
    (tmp_path / "bakery.yaml").write_text(policy, "utf-8")
    (tmp_path / "typo.yaml").write_text(policy.replace("business:", "busines:", 1), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("command", "printed"), COMMANDS, ids=[" ".join(c) for c, _ in COMMANDS])
def test_a_command_of_the_readme_prints_what_it_says(run, folder, command, printed):
    assert command[0] == "guardproxy"
    done = run(*command[1:])
    revision = re.compile(r"@[0-9a-f]{12}\b")
    shown = sorted(revision.sub("@", done.output).rstrip().splitlines())
    for line in revision.sub("@", printed).rstrip().splitlines():
        assert line in shown, done.output


def test_the_commands_of_the_readme_are_found():
    assert [command[1] for command, _ in COMMANDS] == ["check", "test", "check"]


def test_the_readmes_targets_are_there():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_a_refusal_reads_as_the_readme_says(run, folder):
    (block,) = blocks(README, "json")
    said = json.loads(block.replace("\n", ""))["choices"][0]["message"]["content"]
    told = json.loads(
        run("explain", "write me a python script", "-p", "bakery.yaml", "--json").stdout
    )
    open_now = told["reply"].replace("a colleague here in the chat", "+31 30 555 0101")
    assert open_now == said


def test_the_smallest_policy_of_the_docs_is_served(run, tmp_path):
    (tmp_path / "bakery.yaml").write_text(blocks(POLICY, "yaml")[0], "utf-8")
    done = run("check", tmp_path / "bakery.yaml")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_documented_with_its_default_and_meaning(key):
    (row,) = re.findall(rf"^\| `{re.escape(key)}` \| (.*) \| (.*) \|$", POLICY, re.MULTILINE)
    default, meaning = row
    field = KEYS[key]
    assert meaning.startswith(field.description)
    assert (default == "required") is field.is_required()
    if isinstance(field.default, str | int) and field.default != "":
        shown = str(field.default)
        assert default == f"`{shown.lower() if isinstance(field.default, bool) else shown}`"


def test_no_key_is_documented_that_is_not_there():
    tables = POLICY[: POLICY.index("## `replies`")]
    assert set(re.findall(r"^\| `([^`]+)` \|", tables, re.MULTILINE)) - set(RULES) == set(KEYS)


@pytest.mark.parametrize("code", RULES)
def test_every_finding_of_review_is_documented(code):
    rule = RULES[code]
    assert f"| `{code}` | {rule.severity} | {rule.says} |" in POLICY


@pytest.mark.parametrize("code", CODES)
def test_every_fault_code_is_documented(code):
    assert f"| `{code}` | {CODES[code]} |" in POLICY


def test_every_reply_is_documented():
    for word in {*REPLIES, *WORDS.values()}:
        assert f"| `{word}` |" in POLICY


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name):
    description = Settings.model_fields[name].description
    assert re.search(
        rf"^\| `GUARDPROXY_{name.upper()}` \| .+ \| {re.escape(description)} \|$",
        OPERATIONS,
        re.MULTILINE,
    )


def test_settings_in_the_example_file_are_there():
    names = re.findall(
        r"^GUARDPROXY_(\w+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE
    )
    assert {name.lower() for name in names} <= set(Settings.model_fields)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_is_in_the_readme(verb):
    assert f"| `{verb}` |" in README


def test_every_figure_is_documented():
    text = Metrics().text().decode()
    names = set(re.findall(r"^# TYPE (guardproxy_\w+) ", text, re.MULTILINE))
    names = {name for name in names if not name.endswith("_created")}
    assert names
    for name in names:
        assert f"| `{name}` |" in OPERATIONS, name


def test_every_route_is_documented():
    for path in (*ROUTES, "/whatsapp/webhook", "/livez", "/readyz", "/metrics"):
        assert path in OPERATIONS, path


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target


def test_the_licence_is_the_one_that_is_named():
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_compose_gives_guardproxy_and_a_store_that_forgets_nothing():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    served, store = compose["services"]["guardproxy"], compose["services"]["valkey"]
    assert served["build"] == "."
    assert "@valkey:6379" in served["environment"]["GUARDPROXY_REDIS_URL"] or (
        "//valkey:6379" in served["environment"]["GUARDPROXY_REDIS_URL"]
    )
    assert "valkey" in served["depends_on"]
    command = " ".join(store["command"])
    for part in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert part in command
    assert {v.partition(":")[0] for v in store["volumes"]} <= set(compose["volumes"])
    assert all(name.startswith("GUARDPROXY_") for name in served["environment"])


def test_the_image_runs_as_nobody_and_starts_what_it_exposes():
    image = (ROOT / "Dockerfile").read_text("utf-8")
    assert re.search(r"^USER (?!root)", image, re.MULTILINE)
    assert image.index("USER ") < image.index("ENTRYPOINT")
    copied = {
        word
        for line in re.findall(r"^COPY (?!--)(.*)$", image, re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert not copied & set(ignored)


def test_ci_runs_what_developers_run():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "make check" in script
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"^check: lint types test slow\b", makefile, re.MULTILINE)
