"""Text as detectors compare it: folded, and cut into sentences and clauses.

Only readings are changed here. What is forwarded stays as the customer wrote it.
"""

import re
import unicodedata

# Carries no meaning for a reader: zero-width, bidi controls, soft hyphen, tags, variations.
# U+200C and U+200D shape Persian and Hindi words and emoji, so they only go between Latin letters.
_UNSEEN = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
_JOINERS = re.compile("(?<=[A-Za-z])[\u200c\u200d](?=[A-Za-z])")
_SPACES = re.compile(r"\s+")
_LATIN_MARKS = re.compile("(?<=[a-z])[\u0300-\u036f]+")
_ARABIC_MARKS = re.compile("[\u064b-\u0652\u0670\u0640]")  # vowel signs and the stretching stroke
_ALEF_MARKS = re.compile("(?<=ا)[\u0653-\u0655]+")  # of أ, إ and آ, decomposed
_ENDINGS = str.maketrans({"ى": "ي", "ة": "ه"})
_SENTENCE = re.compile(r"(?<=[.!?…。！？؟।\n])\s+|\n+")
# Words that start a second request in one message, in the languages of the packs and a few more.
_TURNS = (
    "and also|also can you|also please|and then|by the way|btw|oh and|one more thing|plus can you|"
    "and can you|and could you|and please|while you re at it|another thing|unrelated|"
    "terus|sekalian|sama tolong|oh ya|ngomong ngomong|satu lagi|dan tolong|dan juga|btw tolong|"
    "y además|además|y también|por cierto|otra cosa|y de paso|de paso|y me puedes|"
    "e também|além disso|aliás|outra coisa|e aproveita|e me|aproveitando|"
    "और एक बात|और साथ में|और हाँ|साथ ही|aur ek baat|aur haan|saath mein|waise|"
    "وبالمناسبة|بالمناسبة|وأيضا|وايضا|وكمان|شي ثاني|"
    "et aussi|au fait|autre chose|und außerdem|übrigens|ach und|inoltre|a proposito|"
    "ayrıca|bir de|bu arada|pia naomba|halafu"
)
_CLAUSE = re.compile(rf"[,;:–—]?\s+(?=(?:{_TURNS})(?:\s|,|$))|\s+[–—]\s+|;\s+", re.IGNORECASE)


def visible(text: str) -> str:
    """The text in one Unicode form, without what no reader sees."""
    # first, so that nothing unseen keeps a letter and its accent apart
    return _JOINERS.sub("", unicodedata.normalize("NFKC", _UNSEEN.sub("", text)))


def fold(text: str) -> str:
    """Lower case, accents off Latin letters, Arabic spelling variants joined, single spaces."""
    text = _ARABIC_MARKS.sub("", visible(text).casefold())
    decomposed = unicodedata.normalize("NFKD", text)
    plain = _JOINERS.sub("", _LATIN_MARKS.sub("", decomposed))
    plain = _ALEF_MARKS.sub("", plain).translate(_ENDINGS)
    text = unicodedata.normalize("NFC", plain)
    return _SPACES.sub(" ", text.replace("’", "'")).strip()


def sentences(text: str) -> list[str]:
    """Sentences and lines, without the white space between them."""
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def clauses(text: str) -> list[str]:
    """The parts of a message that may be requests of their own, in order; at least one if any
    text is there. Parts of fewer than two words stay with the part before them.
    """
    parts: list[str] = []
    for sentence in sentences(text):
        for part in _CLAUSE.split(sentence):
            part = part.strip(" ,;:–—")  # noqa: PLW2901  what is left of the cut
            if not part:
                continue
            if parts and len(part.split()) < 2:
                parts[-1] = f"{parts[-1]} {part}"
            else:
                parts.append(part)
    return parts


def windows(text: str, size: int = 30, step: int = 20) -> list[str]:
    """A long text in overlapping runs of `size` words, so that what is buried in it shows; a text
    of up to `size` words whole.
    """
    found = text.split()
    starts = range(0, max(1, len(found) - size + step), step)
    return [" ".join(found[start : start + size]) for start in starts]
