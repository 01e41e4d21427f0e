"""The `tests:` of a policy file, each with the line it stands on."""

from dataclasses import dataclass
from pathlib import Path

from guardproxy.policy.document import read
from guardproxy.policy.model import PolicyFile


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCase:
    """One test; `expect` has one verdict, or one per message of `chat`."""

    __test__ = False  # not a test class of pytest's
    line: int
    say: str | None
    bot: str | None
    chat: tuple[str, ...]
    expect: tuple[str, ...]
    topic: str | None
    rule: str | None
    lang: str | None
    at: str | None
    todo: str | None


def load_cases(path: Path) -> tuple[TestCase, ...]:
    """The tests of a file that `load_policy` has accepted."""
    document = read(str(path), path.read_text("utf-8"))
    file = PolicyFile.model_validate(document.value)
    return tuple(
        TestCase(line=document.place(("tests", index)).line, **test.model_dump())
        for index, test in enumerate(file.tests)
    )
