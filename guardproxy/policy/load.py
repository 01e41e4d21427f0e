"""A policy file to a Policy; every fault of it at once, with file, line, column and what to write.

Rule 1: nothing but PolicyError leaves here, whatever the file holds.
Rule 2: a file with a fault is not served, not even in part.
"""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from guardproxy.core.errors import Fault, PolicyError
from guardproxy.policy import packs
from guardproxy.policy.checks import check
from guardproxy.policy.compiled import Policy
from guardproxy.policy.document import Document, read
from guardproxy.policy.document import Path as Where
from guardproxy.policy.model import PolicyFile
from guardproxy.policy.plain import compile_policy

SUFFIXES = (".yaml", ".yml")
REV = 12  # hex digits of a revision: 48 bits, enough to tell a business's revisions apart


def load_policy(
    path: Path,
    environ: Mapping[str, str] | None = None,
    *,
    text: str | None = None,
    scope_model: str = "",
) -> Policy:
    """The policy of a file, or PolicyError with all its faults.

    `environ` is where `env:NAME` is looked up; an unset name is `doctor`'s to report: a missing
    notification must not keep a business offline. `scope_model` is the scope model's revision.
    """
    document, merged = _document(path, text)
    faults, model = list(document.faults), None
    if isinstance(merged, dict):
        try:
            model = PolicyFile.model_validate(merged)
        except ValidationError as error:
            faults += _typed(document, error)
        faults += check(document, merged)
    if faults or model is None:
        ordered = sorted(set(faults), key=lambda fault: (fault.line, fault.column, fault.code))
        raise PolicyError(tuple(_once(ordered)))
    rev = revision(merged, scope_model)
    return compile_policy(model, document, rev=rev, environ=environ or {})


def load_files(
    paths: Iterable[Path], environ: Mapping[str, str] | None = None, *, scope_model: str = ""
) -> tuple[Policy, ...]:
    """The policies of several files; PolicyError has the faults of all, and names used twice."""
    policies, faults = [], list[Fault]()
    for path in paths:
        try:
            policies.append(load_policy(path, environ, scope_model=scope_model))
        except PolicyError as error:
            faults.extend(error.faults)
    faults += shared_names(policies)
    if faults:
        raise PolicyError(tuple(faults))
    return tuple(policies)


def policy_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The policy files that paths stand for: files themselves, and those in folders."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else []
        found.extend(inside or [path])
    return tuple(found)


def shared_names(policies: Iterable[Policy]) -> list[Fault]:
    """A name or a WhatsApp number that two files claim."""
    faults: list[Fault] = []
    seen: dict[str, Policy] = {}
    for policy in policies:
        own = policy.whatsapp and policy.trial is None  # on trial, a file names its rival's
        numbers = policy.whatsapp.numbers if policy.whatsapp and own else ()
        named = {policy.name: "name", **dict.fromkeys(numbers, "whatsapp.phone_number_id")}
        for name, key in named.items():
            other = seen.setdefault(name, policy)
            if other is not policy:
                line = policy.lines.get(key, 1)
                message = f"{name!r} is used by {other.path} too"
                faults.append(Fault(policy.path, line, 1, "GP112", message, "give it another"))
    return faults


def homeless_trials(policies: Iterable[Policy]) -> list[Fault]:
    """Files on trial beside a policy that is not there."""
    policies = tuple(policies)
    served = {policy.name for policy in policies if policy.trial is None}
    return [
        Fault(
            policy.path, policy.lines.get("trial.of", 1), 1, "GP106",
            f"trial.of is {policy.trial.of!r}, which no other file is named",
            f"one of: {', '.join(sorted(served))}",
        )
        for policy in policies
        if policy.trial is not None and policy.trial.of not in served
    ]  # fmt: skip


def merged_document(path: Path) -> tuple[dict[str, Any], dict[Where, str]]:
    """The effective document, and for each path where it comes from: `file:line` or a pack."""
    document, merged = _document(path, None)
    if document.faults or not isinstance(merged, dict):
        raise PolicyError(tuple(document.faults))
    origins: dict[Where, str] = {}
    _origins(merged, (), document, origins)
    return merged, origins


def revision(merged: dict[str, Any], scope_model: str) -> str:
    """12 hex digits of the effective policy, without its tests, and of the scope model."""
    effective = {key: value for key, value in merged.items() if key != "tests"}
    canonical = json.dumps([effective, scope_model], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:REV]


def _document(path: Path, text: str | None) -> tuple[Document, Any]:
    """The file as a document, and its values with the base pack under them."""
    if text is None:
        text = text_of(path)
    document = read(str(path), text)
    if document.faults and not isinstance(document.value, dict):
        return document, None  # it could not be read to its end
    if not isinstance(document.value, dict):
        fault = document.fault(
            "GP002", "not a mapping of keys", "start with version: 1", at=document.place(())
        )
        document.faults.append(fault)
        return document, None
    return document, _laid_over(packs.base(), document.value)


def text_of(path: Path) -> str:
    """The file's text; a file that cannot be read is a fault like any other."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        fault = Fault(str(path), 1, 1, "GP002", f"cannot be read: {reason}", "check the path")
        raise PolicyError((fault,)) from error


def _laid_over(under: Any, over: Any) -> Any:
    """Mappings are joined key by key; anything else replaces what is under it."""
    if isinstance(under, dict) and isinstance(over, dict):
        joined = {key: _laid_over(under.get(key), value) for key, value in over.items()}
        return {**under, **joined}
    return over if over is not None else under


def _origins(value: Any, path: Where, document: Document, found: dict[Where, str]) -> None:
    """Where each value of a merged document comes from."""
    own = path in document.values
    found[path] = f"{document.path}:{document.values[path].line}" if own else packs.BASE
    if isinstance(value, dict):
        for key, part in value.items():
            _origins(part, (*path, key), document, found)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            _origins(part, (*path, index), document, found)


def _typed(document: Document, error: ValidationError) -> list[Fault]:
    """The types' errors as faults."""
    faults = []
    for one in error.errors():
        path = tuple(part for part in one["loc"] if part != "[key]")
        of_key = "[key]" in one["loc"]
        kind, message, mend, code = one["type"], one["msg"], "", "GP102"
        found = one.get("input")
        if kind == "extra_forbidden":
            code, message = "GP101", f"unknown key {path[-1]!r}"
            mend = _meant(str(path[-1]), path)
        elif kind == "missing":
            code, message = "GP103", f"{_dotted(path)} is missing"
            mend = f"add {path[-1]}:"
            path = path[:-1]
        elif kind == "literal_error":
            code = "GP104"
            message = f"{_dotted(path)} is {found!r}"
            mend = f"write {one['ctx']['expected']}"
        elif kind == "value_error":
            text = message.removeprefix("Value error, ")
            message, _, mend = text.partition("; ")
            code = "GP105" if message.startswith("a secret") else code
        else:
            shown = "" if isinstance(found, dict | list) else f" (found {found!r})"
            message = f"{_dotted(path)}: {message[0].lower()}{message[1:]}{shown}"
        at = document.place(path, key=of_key or kind in ("extra_forbidden", "missing"))
        faults.append(document.fault(code, message, mend, at=at))
    return faults


def _dotted(path: Where) -> str:
    """A path as people write it: rules[2].when."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _meant(found: str, path: Where) -> str:
    """What was meant by an unknown key, from the keys its place has."""
    keys = _keys_at(path[:-1])
    near = difflib.get_close_matches(found, keys, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there is: {', '.join(keys)}" if keys else ""


def _keys_at(path: Where) -> list[str]:
    """The keys the model has at a path."""
    model: Any = PolicyFile
    for part in path:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part in fields:
            model = _inner(fields[str(part)].annotation)
        # an index, or a key of a mapping: the part inside was already taken
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _inner(annotation: Any) -> Any:
    """The model inside an annotation such as `tuple[Model, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        inner = _inner(part)
        if inner is not None:
            return inner
    return None


def _once(faults: list[Fault]) -> Iterable[Fault]:
    """Each place and code once: types and checks may see the same fault. What cannot be read is
    not also of the wrong type.
    """
    seen: set[tuple[int, int, str]] = set()
    unread = {(fault.line, fault.column) for fault in faults if fault.code == "GP003"}
    for fault in faults:
        if fault.code != "GP003" and (fault.line, fault.column) in unread:
            continue
        key = (fault.line, fault.column, fault.code)
        if key not in seen:
            seen.add(key)
            yield fault
