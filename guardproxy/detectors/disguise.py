"""Other readings of a text: what it says when a disguise is taken off.

Readings are only looked at; what is forwarded stays as the customer wrote it. Arabic, Hindi and
emoji text has no other reading: only runs that look like Latin, or like an encoding, are decoded.
"""

import base64
import binascii
import codecs
import re
import unicodedata

from guardproxy.core.text import visible

MOST = 4  # readings: each one is judged, so a text made to have many costs no more than this
# Cyrillic and Greek letters that pass for Latin ones (Unicode's confusables, the letters in use).
LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁԛԝһкмтвнАЕОРСУХІЈЅКМТВНαεορτυνικχβηΑΕΟΡΤΥΝΙΚΧΒΗΜΖ",
    "aeopcyxijsdqwhkmtbhAEOPCYXIJSKMTBHaeoptuvikxbhAEOPTYNIKXBHMZ",
)
LEET = str.maketrans("013457@$!", "oieastasi")
_MIXED_WORD = re.compile(r"\b(?=\w*[a-zA-Z])(?=\w*[\u0370-\u03ff\u0400-\u052f])\w+\b")
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_][ .\-_*|]){4,}[^\W\d_](?!\S)")
_SHORT_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_][ .\-_*|])+[^\W\d_](?!\S)")
_LEET_WORD = re.compile(r"\b(?=\w*[013457@$])(?=\w*[a-zA-Z])[\w@$!]{4,}\b")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"\b(?:[0-9a-fA-F]{2}[ :]?){8,}\b")
_MORSE = re.compile(r"(?:[.\-·−]{1,5}[ /|]+){6,}[.\-·−]{1,5}")
_MORSE_CODE = {
    ".-": "a", "-...": "b", "-.-.": "c", "-..": "d", ".": "e", "..-.": "f", "--.": "g",
    "....": "h", "..": "i", ".---": "j", "-.-": "k", ".-..": "l", "--": "m", "-.": "n",
    "---": "o", ".--.": "p", "--.-": "q", ".-.": "r", "...": "s", "-": "t", "..-": "u",
    "...-": "v", ".--": "w", "-..-": "x", "-.--": "y", "--..": "z",
}  # fmt: skip
# Frequent words: a decoding that has none of them is noise, not a reading.
_COMMON = (
    "the to you your and for a is of in me my how what write tell give ignore all instructions "
    "system prompt previous please are with que de la el para un una yang dan di untuk"
)
COMMON = frozenset(_COMMON.split())
TURNED = 0.3  # share of frequent words in a turned text: one in five happens by chance


def seen_through(text: str) -> tuple[str, ...]:
    """The other readings of a text, at most four; () for plain text."""
    readings: list[str] = []
    plain = visible(text)
    for reading in (
        _letters(plain),
        _unspaced(plain),
        _unleeted(plain),
        *_decoded(plain),
        _turned(plain),
    ):
        if reading and reading not in (plain, text) and reading not in readings:
            readings.append(reading)
    return tuple(readings[:MOST])


def _letters(text: str) -> str:
    """Look-alike letters as the Latin ones they stand for, and marks piled on letters removed."""
    piled = re.sub(r"([^\W\d_])[\u0300-\u036f]{2,}", r"\1", unicodedata.normalize("NFD", text))
    text = unicodedata.normalize("NFC", piled)
    return _MIXED_WORD.sub(lambda word: word.group(0).translate(LOOKALIKES), text)


def _unspaced(text: str) -> str:
    """Spaced letters ("w r i t e") as one word; wider gaps part the words."""
    if not _SPACED.search(text):
        return ""
    wide = re.sub(r" {2,}|\s[/|]\s", "\n", text)
    closed = _SHORT_SPACED.sub(lambda run: re.sub(r"[ .\-_*|]", "", run.group(0)), wide)
    return closed.replace("\n", " ")


def _unleeted(text: str) -> str:
    """Digits for letters ("wr1t3") undone, when several words are so; prices and codes stay."""
    words = _LEET_WORD.findall(text)
    if len(words) < 2:
        return ""
    reading = _LEET_WORD.sub(lambda word: word.group(0).translate(LEET), text)
    return reading if _reads(reading) and _share(reading) > _share(text) else ""


def _decoded(text: str) -> list[str]:
    """What base64, hex and Morse runs say."""
    found = [_utf8(_base64(run)) for run in _BASE64.findall(text)[:MOST]]
    found += [_utf8(_unhex(run)) for run in _HEX.findall(text)[:MOST]]
    morse = _MORSE.search(text)
    if morse:
        found.append(_unmorse(morse.group(0)))
    return [reading for reading in found if reading and _reads(reading)]


def _base64(run: str) -> bytes:
    """The bytes of a base64 run, b"" when it is none."""
    try:
        padded = run.rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except binascii.Error:
        return b""


def _unhex(run: str) -> bytes:
    """The bytes of a hex run."""
    try:
        return bytes.fromhex(run.replace(":", " "))
    except ValueError:
        return b""


def _utf8(raw: bytes) -> str:
    """Printable text, or "" when the bytes are something else."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() or "\n" in text else ""


def _unmorse(run: str) -> str:
    """Morse as letters; a slash parts words."""
    dashes = run.replace("−", "-").replace("·", ".")
    words = re.split(r"\s*[/|]\s*|\s{2,}", dashes)
    return " ".join("".join(_MORSE_CODE.get(sign, "") for sign in word.split()) for word in words)


def _turned(text: str) -> str:
    """Rot13 or backwards, when that reads better than what is written."""
    if len(text) < 12 or not text.isascii():  # accents are not turned: such a text is not rot13
        return ""
    plain = _share(text)
    turned = (codecs.decode(text, "rot13"), text[::-1])
    return next((r for r in turned if _share(r) >= TURNED and _share(r) > 2 * plain), "")


def _reads(text: str) -> bool:
    """Whether a decoding reads like language."""
    return _share(text) >= 0.15


def _share(text: str) -> float:
    """The share of words that are frequent ones."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    return sum(word in COMMON for word in words) / len(words) if words else 0.0
