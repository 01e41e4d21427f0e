"""Every starting point is a whole policy: it is served as it is, and its own tests hold."""

import pytest

from guardproxy import app
from guardproxy.policy.load import load_policy
from guardproxy.policy.model import Purpose
from guardproxy.policy.starter import starter, starter_languages, templates
from guardproxy.rehearsal.cases import run_cases, untried

EVERY = [(template, language) for template in templates() for language in starter_languages()]
LANGUAGES = ("en", "id", "es", "pt", "hi", "ar")


def test_the_promised_starting_points_are_there():
    assert templates() == ("bank", "clinic", "hotel", "restaurant", "shop", "travel")
    assert starter_languages() == LANGUAGES


@pytest.mark.parametrize(("template", "language"), EVERY)
async def test_a_starting_point_is_served_and_passes_its_own_tests(tmp_path, template, language):
    path = tmp_path / "policy.yaml"
    path.write_text(starter(template, language), "utf-8")
    policy = load_policy(path)
    assert policy.languages[0] == language
    assert {topic.purpose for topic in policy.topics} <= set(Purpose.__args__)
    guard = await app.bench_guard(path)
    results = await run_cases(guard, 0.0)
    assert [result.problem for result in results if result.problem] == []
    assert untried(guard, results)[1] == 1.0


def test_an_unknown_template_is_a_key_error():
    with pytest.raises((KeyError, FileNotFoundError)):
        starter("bakery", "en")
