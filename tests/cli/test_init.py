"""`init`: from an empty folder to a policy that is checked, tested and known to editors."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from guardproxy.settings import Settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_new_policy_is_checked_tested_and_fits_its_schema(run, tmp_path):
    done = run("init", "--template", "clinic", "--lang", "es")
    assert done.exit_code == 0, done.output
    path = tmp_path / "policies" / "my-clinic.yaml"
    assert run("check", path).exit_code == 0
    tested = run("test", path, "--fail-under", "100")
    assert tested.exit_code == 0, tested.output
    schema = json.loads((tmp_path / "policies" / "guardproxy.schema.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(yaml.safe_load(path.read_text("utf-8")))
    assert "$schema=./guardproxy.schema.json" in path.read_text("utf-8").splitlines()[0]


def test_nothing_is_overwritten_unless_told(run, tmp_path):
    assert run("init").exit_code == 0
    path = tmp_path / "policies" / "my-restaurant.yaml"
    path.write_text("mine", "utf-8")
    (tmp_path / ".env.example").unlink()
    done = run("init")
    assert done.exit_code == 2
    assert "my-restaurant.yaml" in done.output.replace("\n", "")
    assert path.read_text("utf-8") == "mine"
    assert not (tmp_path / ".env.example").exists()  # all or nothing
    assert run("init", "--force").exit_code == 0
    assert path.read_text("utf-8") != "mine"


def test_the_example_of_the_settings_can_be_read_back(run, tmp_path):
    run("init")
    text = (tmp_path / ".env.example").read_text("utf-8")
    plain = "\n".join(
        line[1:] if line.startswith("#GUARDPROXY_") and not line.endswith("=") else line
        for line in text.splitlines()
    )
    (tmp_path / "env").write_text(plain, "utf-8")
    assert Settings(_env_file=tmp_path / "env").upstream_api == "openai"


@pytest.mark.parametrize("args", [("--template", "bakery"), ("--lang", "tlh")])
def test_an_unknown_word_is_a_usage_error(run, args):
    done = run("init", *args)
    assert done.exit_code == 2
    assert "one of" in done.output
