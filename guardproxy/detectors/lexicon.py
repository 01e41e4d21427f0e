"""What customers say in words that mean the same for every business.

All shipped packs listen always, whatever languages a policy names: customers write as they like.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import re2
import regex

from guardproxy.core.finding import Finding
from guardproxy.core.kept import Kept
from guardproxy.core.text import fold
from guardproxy.policy.pack import Asking, Pack

HEARD = 2048  # texts kept of each kind: about 1 MB of usual messages
END = 4096  # characters: the longest message WhatsApp takes
SHORT = 6  # words: a yes, a no, a stop or a greeting is no longer than this
SCRIPTS = {"DEVANAGARI": ("hi",), "ARABIC": ("ar", "ur", "fa")}  # scripts that name a language
# one class, so linear in any engine; RE2's own substitution costs ten times as much
_NOT_WORD = regex.compile(r"[^\p{L}\p{M}\p{N}👍]+")


_words: Kept[str, str] = Kept(4096)  # a text is listened to for several things in one turn


def words(text: str) -> str:
    """Folded words with one space around each, as the patterns of the packs expect them."""
    return _words.of_text(text, text, lambda: _heard(text))


def _heard(text: str) -> str:
    """The same, made anew."""
    return f" {_NOT_WORD.sub(' ', fold(text).replace(chr(39), '')).strip()} "


class Ear:
    """Hears requests for a person in one language."""

    def __init__(self, asking: Asking) -> None:
        """The patterns of a pack, joined into one that asks and one that only sounds like it."""
        people = "|".join(sorted((words(p).strip() for p in asking.people), key=len, reverse=True))
        self._asks = _any_of(asking.phrases, people)
        self._only_sounds = _any_of(asking.not_phrases, people)

    def quote(self, heard: str) -> str | None:
        """The words of a request, None when there is none."""
        found = self._asks.search(heard)
        if found is None:
            return None
        if self._only_sounds is not None:
            found = self._asks.search(self._only_sounds.sub(" ", heard))
        return found.group(0).strip() if found else None


def _any_of(patterns: Sequence[str], people: str) -> "re2._Regexp":
    """One expression of several; `{P}` in them stands for the words for a person."""
    options = re2.Options()
    options.max_mem = 64 << 20  # bytes; many languages' words in one automaton
    expanded = (unicodedata.normalize("NFKC", p).replace("{P}", f"(?:{people})") for p in patterns)
    return re2.compile("|".join(f"(?:{pattern})" for pattern in expanded), options)


class Lexicon:
    """Everything that is heard in words, for one policy."""

    def __init__(
        self,
        packs: Sequence[Pack],
        *,
        every: Sequence[Pack],
        others: Sequence[Asking] = (),
        ask_words: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """`packs` are the policy's languages, in order; `every` all packs there are."""
        self._packs = tuple(packs)
        self._ears = tuple(Ear(asking) for asking in (*(p.asking for p in every), *others))
        own = [words(word) for word_list in (ask_words or {}).values() for word in word_list]
        self._own = frozenset(own)
        self._yes = _lines(pack.yes for pack in every)
        self._no = _lines(pack.no for pack in every)
        self._out = _lines(pack.opt_out for pack in every)
        self._in = _lines(pack.opt_in for pack in every)
        self._smalltalk = _lines(pack.smalltalk for pack in every)
        self._bot = [_any_of(pack.bot_questions, "") for pack in every]
        self._offers = [
            _any_of(p.offers, "|".join(words(w).strip() for w in p.asking.people)) for p in every
        ]
        self._marks = {pack.language: frozenset(fold(m) for m in pack.marks) for pack in packs}
        self._asked: Kept[str, tuple[Finding | None]] = Kept(HEARD)
        self._offered: Kept[str, tuple[bool]] = Kept(HEARD)
        self._spoken: Kept[tuple[str, str], str] = Kept(HEARD)

    def wants_person(self, text: str) -> Finding | None:
        """A request for a person, in any language, or one of the policy's own `ask_words`."""
        text = _ends(text)
        return self._asked.once(text, lambda: (self._wants_person(text),))[0]

    def _wants_person(self, text: str) -> Finding | None:
        """The same, listened to."""
        heard = words(text)
        if not heard.strip():
            return None
        quote = next((q for ear in self._ears if (q := ear.quote(heard)) is not None), None)
        if quote is None and self._own:
            quote = next((own.strip() for own in self._own if self._calls(own, heard)), None)
        return Finding("lexicon", "wants_person", 1.0, quote[:80]) if quote is not None else None

    def _calls(self, own: str, heard: str) -> bool:
        """Whether a policy's own word for a person is called: as a short message, or after a verb
        of wanting ("mau ngomong sama mbak sri"); a mere mention of the name is none.
        """
        if own not in heard:
            return False
        short = len(heard.split()) <= len(own.split()) + 2  # "mbak sri dong", "kasir please"
        return (
            short
            or any(ear.quote(heard.replace(own, " admin ")) for ear in self._ears[:1])
            or (any(ear.quote(heard.replace(own, f" {word} ")) for ear, word in self._stand_ins()))
        )

    def _stand_ins(self) -> Iterable[tuple[Ear, str]]:
        """Each ear with a plain word for a person of its language, put in place of a name."""
        nouns = ("human", "admin", "persona", "pessoa", "insaan", "موظف")
        return ((ear, noun) for ear in self._ears for noun in nouns)

    def affirms(self, text: str) -> bool:
        """A plain yes."""
        return words(text) in self._yes

    def declines(self, text: str) -> bool:
        """A plain no."""
        return words(text) in self._no

    def opts_out(self, text: str) -> bool:
        """STOP and its like, as the whole message."""
        return words(text) in self._out

    def opts_in(self, text: str) -> bool:
        """START and its like, as the whole message."""
        return words(text) in self._in

    def asks_if_bot(self, text: str) -> bool:
        """Whether the customer asks what they are talking to, in a message of its own."""
        heard = words(text)
        if len(heard.split()) > 2 * SHORT:
            return False
        return any(pattern.search(heard) for pattern in self._bot)

    def smalltalk(self, text: str) -> bool:
        """Greetings, thanks, goodbyes, as the whole message."""
        heard = words(text)
        return heard in self._smalltalk or heard in self._yes or heard in self._no

    def offers_person(self, answer: str) -> bool:
        """The bot's own "shall I connect you?", in the last part of an answer."""
        end = answer[-300:]  # characters: an offer stands at the end
        return self._offered.once(end, lambda: (self._offers_person(words(end)),))[0]

    def _offers_person(self, heard: str) -> bool:
        """The same, listened to."""
        return any(pattern.search(heard) for pattern in self._offers)

    def language(self, text: str, fallback: str) -> str:
        """The policy's language a text is in: by script, then by its frequent short words."""
        text = _ends(text)
        return self._spoken.once((text, fallback), lambda: self._language(text, fallback))

    def _language(self, text: str, fallback: str) -> str:
        """The same, looked at."""
        known = self._marks
        counts = dict.fromkeys(known, 0)
        for script, tongues in SCRIPTS.items():
            if any(script in unicodedata.name(c, "") for c in text if c > "\u05ff"):
                return next((t for t in tongues if t in known), fallback)
        for word in words(text).split():
            for language, marks in known.items():
                counts[language] += word in marks
        best = max(counts, key=lambda language: counts[language])
        tied = counts.get(fallback, 0) == counts[best]
        return fallback if counts[best] == 0 or tied else best


def _ends(text: str) -> str:
    """A text, or the two ends of one that is longer than any customer's: requests stand there."""
    return text if len(text) <= 2 * END else f"{text[:END]}\n{text[-END:]}"


def _lines(lists: Iterable[Sequence[str]]) -> frozenset[str]:
    """Whole messages, folded."""
    return frozenset(words(line) for lines in lists for line in lines)
