"""Counts tokens: by tiktoken where its vocabulary is on this machine, never by fetching one."""

import hashlib
from pathlib import Path

from guardproxy.core.errors import SettingsError
from guardproxy.pipeline.guard import Learned, Tokens

NAME = "o200k_base"  # of OpenAI's models since 2024
# tiktoken keeps a vocabulary under the SHA-1 of its address
ADDRESS = f"https://openaipublic.blob.core.windows.net/encodings/{NAME}.tiktoken"
LONG = 20_000  # characters: a longer text is estimated, counting it would hold up the loop


class Counted:
    """Tokens as tiktoken counts them; long texts by what was learned."""

    def __init__(self) -> None:
        """Loads the vocabulary (0.3 s)."""
        import tiktoken  # noqa: PLC0415  the one place, and only where it can work

        self._encoding = tiktoken.get_encoding(NAME)
        self._learned = Learned()

    def count(self, text: str) -> int:
        """The tokens of a text."""
        if len(text) > LONG:
            return self._learned.count(text)
        return len(self._encoding.encode_ordinary(text))

    def learn(self, characters: int, tokens: int) -> None:
        """What a backend counted."""
        self._learned.learn(characters, tokens)


def is_there(cache: str) -> bool:
    """Whether the vocabulary is in a folder ("" for none)."""
    kept = hashlib.sha1(ADDRESS.encode(), usedforsecurity=False).hexdigest()
    return bool(cache) and (Path(cache) / kept).is_file()


def fetch(cache: str) -> None:
    """Have tiktoken fetch its vocabulary into a folder. SettingsError says what to do."""
    if not cache:
        message = (
            "TIKTOKEN_CACHE_DIR is not set: name a folder that `serve` will see too, such as "
            "TIKTOKEN_CACHE_DIR=./vocabulary"
        )
        raise SettingsError(message)
    try:
        Counted()  # tiktoken fetches what is not there, and checks it
    except (OSError, ValueError) as error:
        message = (
            f"cannot fetch {ADDRESS}: {type(error).__name__}; fetch it where the network allows, "
            f"and put it into {cache}; until then tokens are estimated"
        )
        raise SettingsError(message) from error
    if not is_there(cache):
        raise SettingsError(f"tiktoken keeps nothing in {cache}; can it be written to?")


def counter(cache: str) -> Tokens:
    """The best counter there is; `cache`: the folder of `TIKTOKEN_CACHE_DIR`, "" for none."""
    return Counted() if is_there(cache) else Learned()
