"""Settings: who may read customers' words."""

import pytest

from guardproxy.core.errors import SettingsError
from guardproxy.settings import read_settings

HOSTS = '{"llm.example": "no training, 30 days of logs", "judge.example": "nothing kept"}'


@pytest.fixture
def put(monkeypatch, tmp_path):
    """Settings of the environment, in a folder without any of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda **values: [monkeypatch.setenv(f"GUARDPROXY_{n}", v) for n, v in values.items()]


def test_hosts_on_the_list_are_taken_with_what_they_do_with_data(put):
    put(
        LLM_HOSTS=HOSTS,
        UPSTREAM_URL="https://llm.example/v1",
        JUDGE_URL="https://judge.example:8443/v1",
    )
    settings = read_settings()
    assert settings.readers == ("llm.example", "judge.example")
    assert settings.llm_hosts["llm.example"] == "no training, 30 days of logs"


@pytest.mark.parametrize(
    "more",
    [
        {"UPSTREAM_URL": "https://other.example/v1"},
        {"JUDGE_URL": "https://other.example/v1"},
        {"UPSTREAM_FALLBACK": '[{"url": "https://other.example/v1"}]'},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_host_that_is_not_on_the_list_refuses_the_start(put, more):
    put(LLM_HOSTS=HOSTS, **more)
    with pytest.raises(SettingsError, match=r"^other\.example is not in GUARDPROXY_LLM_HOSTS"):
        read_settings()


def test_without_a_list_any_host_is_read(put):
    put(UPSTREAM_URL="https://other.example/v1")
    assert read_settings().readers == ("other.example",)


def test_a_wrong_setting_is_named(put):
    put(UPSTREAM_API="gopher")
    with pytest.raises(SettingsError, match=r"^GUARDPROXY_UPSTREAM_API: "):
        read_settings()
