"""What is found by its form: take-over attempts, personal numbers, links. Linear-time (RE2)."""

from collections.abc import Mapping
from importlib import resources

import re2
import yaml

from guardproxy.core.finding import Finding
from guardproxy.core.kept import Kept
from guardproxy.detectors.disguise import seen_through
from guardproxy.detectors.lexicon import words


def _compile(patterns: list[str]) -> "re2._Regexp":
    """One expression of many."""
    options = re2.Options()
    options.max_mem = 64 << 20  # bytes; a few hundred phrases
    return re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), options)


def _load() -> dict[str, "re2._Regexp"]:
    """The take-over wordings, by kind."""
    path = resources.files("guardproxy.detectors") / "injection.yaml"
    raw = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506  text only
    return {kind: _compile(patterns) for kind, patterns in raw.items()}


INJECTION = _load()

# Numbers of persons. Cards: 13 to 19 digits with Luhn's check (ISO/IEC 7812); IBANs with the
# check of ISO 7064 mod 97-10.
NUMBERS = {
    "card": re2.compile(r"\b\d(?:[ -]?\d){12,18}\b"),
    "iban": re2.compile(r"\b[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?\b"),
    "email": re2.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]*\w\b"),
    "phone": re2.compile(r"(?:\+\d{1,3}[ .-]?|\b0)\d{2,4}(?:[ .-]?\d{2,4}){2,4}\b"),
    "id_number": re2.compile(r"\b\d{3}-\d{2}-\d{4}\b|\b\d{16}\b|\b\d{3}\.\d{3}\.\d{3}-\d{2}\b"),
}
_LINK = re2.compile(
    r"(?i)(?:[a-z][a-z0-9+.-]*:)?//([^\s/?#\"'<>()\[\]]+)|\b((?:[a-z0-9-]+\.)+"
    r"(?:com|net|org|io|co|id|me|info|app|dev|shop|store|link|ly|biz|site|online|xyz|ru|cn|in|br|"
    r"es|mx|ar|de|fr|it|tr|uk|us|ai|gg|top|club|ae|sa|eg|pt))\b(?:[/?#]|\s|$|[.,;:!)\]])"
)


_attempts: Kept[str, tuple[Finding, ...]] = Kept(1024)  # an answer and its retries
_covered: Kept[tuple[str, tuple[str, ...]], tuple[str, tuple[Finding, ...]]] = Kept(4096)


def injection(text: str) -> tuple[Finding, ...]:
    """Attempts to take over the prompt, in the text or behind a disguise of it."""
    return _attempts.of_text(text, text, lambda: _injection(text))


def _injection(text: str) -> tuple[Finding, ...]:
    """The same, looked for."""
    found: list[Finding] = []
    for index, reading in enumerate((text, *seen_through(text))):
        heard = words(reading)
        for kind, pattern in INJECTION.items():
            match = pattern.search(heard)
            if match is not None:
                code = kind if index == 0 else f"disguised_{kind}"
                found.append(Finding("injection", code, 1.0, match.group(0).strip()[:80]))
    return tuple(found)


def mask(text: str, kinds: Mapping[str, str]) -> tuple[str, tuple[Finding, ...]]:
    """The text with the named kinds of number masked, and what was masked."""
    wanted = tuple(kind for kind in NUMBERS if kinds.get(kind) == "mask")
    return _covered.of_text(text, (text, wanted), lambda: _mask(text, wanted))


def _mask(text: str, kinds: tuple[str, ...]) -> tuple[str, tuple[Finding, ...]]:
    """The same, done."""
    found: list[Finding] = []
    for kind in kinds:
        text = _masked(text, kind, NUMBERS[kind], found)
    return text, tuple(found)


def _masked(text: str, kind: str, pattern: "re2._Regexp", found: list[Finding]) -> str:
    """One kind masked: its last four characters stay, so that people can tell which it was."""

    def cover(match: "re2._Match") -> str:
        whole: str = match.group(0)
        if not VALID.get(kind, _any)(whole):
            return whole
        found.append(Finding("pii", kind))
        return f"[{kind} …{whole[-4:]}]" if kind in ("card", "iban") else f"[{kind}]"

    return str(pattern.sub(cover, text))


def luhn(number: str) -> bool:
    """Whether the digits pass Luhn's check (ISO/IEC 7812-1, annex B)."""
    digits = [int(c) for c in number if c.isdigit()]
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(odd) + sum(sum(divmod(2 * digit, 10)) for digit in even)) % 10 == 0


def iban(number: str) -> bool:
    """Whether an IBAN passes its check (ISO 13616, ISO 7064 mod 97-10)."""
    plain = number.replace(" ", "").upper()
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _any(_number: str) -> bool:
    """No check of its own."""
    return True


VALID = {"card": luhn, "iban": iban}


def links(text: str) -> tuple[str, ...]:
    """The hosts of the links in a text, lower case, in order; `javascript:` and `data:` as such."""
    hosts = [_host(a or b) for a, b in _LINK.findall(text)]
    lower = text.lower()
    hosts += [scheme for scheme in ("javascript:", "data:text") if scheme in lower]
    return tuple(dict.fromkeys(hosts))


def _host(authority: str) -> str:
    """A link's host: without user, port, trailing dot."""
    return authority.rsplit("@", 1)[-1].split(":", 1)[0].rstrip(".,;").lower()
