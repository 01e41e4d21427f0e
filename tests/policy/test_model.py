"""The JSON Schema, and that every key says what it means."""

import json

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from guardproxy.policy.model import PolicyFile, schema
from tests.policy.test_load import BAD, GOOD


def validator() -> jsonschema.Draft202012Validator:
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_schema_takes_the_example_policies(path):
    validator().validate(yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader))


@pytest.mark.parametrize(
    "stem", ["unknown_key", "unknown_key_nested", "unknown_then", "does_missing"]
)
def test_the_schema_refuses_what_an_editor_can_see(stem):
    (path,) = [path for path in BAD if path.stem == stem]
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader))


def test_a_schema_is_json():
    assert json.loads(json.dumps(schema()))["title"] == "guardproxy policy"


def keys_of(model: type[BaseModel], path: str = ""):
    """Every key of the format with its dotted path and field; KEY and [] stand for any."""
    for name, field in model.model_fields.items():
        here = f"{path}{field.alias or name}"
        yield here, field
        for inner, mark in inner_models(field.annotation):
            yield from keys_of(inner, f"{here}{mark}.")


def inner_models(annotation, mark=""):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, mark
        return
    origin = str(getattr(annotation, "__origin__", ""))
    mark = ".KEY" if "dict" in origin else "[]" if "tuple" in origin else mark
    for part in getattr(annotation, "__args__", ()):
        yield from inner_models(part, mark)


KEYS = dict(keys_of(PolicyFile))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_says_what_it_means(key):
    assert KEYS[key].description


def test_the_keys_of_the_format_are_found():
    assert {"scope.topics.KEY.about", "limits[].in", "escalation.channels.KEY.else"} <= set(KEYS)
    assert len(KEYS) > 80
