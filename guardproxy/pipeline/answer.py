"""What the model answered, as the checks see it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model answered, as the text that is checked; `tokens` as the upstream counted.

    `parts`: texts that are checked each by itself (choices, thoughts, arguments of tools), so
    that none hides behind another; () for one text. `beside`: all that tools are asked, down to
    the shortest word: too short to be about anything, long enough to give the prompt away.
    """

    text: str
    tokens: int = 0
    parts: tuple[str, ...] = ()
    beside: str = ""
