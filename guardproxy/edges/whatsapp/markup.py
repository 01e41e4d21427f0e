"""Markdown as models write it to WhatsApp's own markup, and long texts in parts that fit.

https://faq.whatsapp.com/539178204879377 (formatting), 4,096 characters a message (Cloud API).
"""

import re
import unicodedata

from markdown_it import MarkdownIt
from markdown_it.token import Token

from guardproxy.core.text import sentences

MOST = 4096  # characters of one text message
_MARKS = {"strong_open": "*", "strong_close": "*", "em_open": "_", "em_close": "_",
          "s_open": "~", "s_close": "~"}  # fmt: skip
_LOOKS_MARKED = re.compile(r"[*_~`#\[|]|^\s*(?:[-+]|\d+[.)])\s", re.MULTILINE)
_reader = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])


def whatsapp(text: str) -> str:
    """The text with its bold, italic, lists, links and code as WhatsApp shows them."""
    if _LOOKS_MARKED.search(text) is None:
        return text.strip()
    out = _Writer()
    for token in _reader.parse(text):
        out.take(token)
    return re.sub(r"\n{3,}", "\n\n", out.text).strip()


class _Writer:
    """Writes tokens in order; remembers which lists it is in."""

    def __init__(self) -> None:
        self.text = ""
        self._lists: list[int | None] = []  # the next number, or None for bullets
        self._cells: list[str] | None = None

    def take(self, token: Token) -> None:  # noqa: C901, PLR0912  a flat table of block kinds
        """One block."""
        match token.type:
            case "inline":
                self._inline(token)
            case "heading_open":
                self.text += "*"
            case "heading_close":
                self.text += "*\n\n"
            case "paragraph_close":
                self.text += "\n" if self._lists else "\n\n"
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                self.text += "" if self._lists else "\n"
            case "list_item_open":
                self._item()
            case "fence" | "code_block":
                self.text += f"```{token.content.rstrip()}```\n\n"
            case "blockquote_open":
                self.text += "> "
            case "tr_open":
                self._cells = []
            case "tr_close":
                self.text += " | ".join(self._cells or []) + "\n"
                self._cells = None
            case "hr":
                self.text += "\n"
            case _:
                pass

    def _item(self) -> None:
        """The mark of a list item."""
        number = self._lists[-1]
        indent = "  " * (len(self._lists) - 1)
        self.text += f"{indent}- " if number is None else f"{indent}{number}. "
        if number is not None:
            self._lists[-1] = number + 1

    def _inline(self, token: Token) -> None:
        """The words of a block."""
        said, link = "", ""
        for part in token.children or ():
            match part.type:
                case "text":
                    said += part.content
                case "softbreak" | "hardbreak":
                    said += "\n"
                case "code_inline":
                    said += f"`{part.content}`"
                case "link_open":
                    link = str(part.attrGet("href") or "")
                case "link_close":
                    said += "" if link in said or not link else f": {link}"
                case "image":
                    said += part.content
                case kind:
                    said += _MARKS.get(kind, "")
        if self._cells is not None:
            self._cells.append(said)
        else:
            # a heading is bold as a whole: bold inside it would end it
            self.text += said.replace("*", "") if self.text.endswith("*") else said


def parts(text: str, most: int = MOST) -> list[str]:
    """The text in messages of at most `most` characters, cut at paragraphs, then sentences."""
    if len(text) <= most:
        return [text] if text.strip() else []
    cut = max(text.rfind("\n\n", 0, most + 1), 0)
    if cut < most // 2:
        cut = _sentence_end(text, most)
    return [text[:cut].rstrip(), *parts(text[cut:].lstrip(), most)]


def _sentence_end(text: str, most: int) -> int:
    """Where the last whole sentence ends, else the last word, else a whole character."""
    ends, at = [0], 0
    for sentence in sentences(text[: most + 1]):
        at = text.find(sentence, at) + len(sentence)
        ends.append(at)
    cut = max((end for end in ends if end <= most and end < len(text)), default=0)
    whole = text[cut - 1 : cut] in ".!?…。！？؟।" or text[cut : cut + 1] == "\n"
    if cut >= most // 2 and whole:
        return cut
    cut = text.rfind(" ", 0, most + 1)
    if cut >= most // 2:
        return cut
    cut = most
    # no cut inside a character people see as one: marks and joiners stay with what they join
    while cut > most // 2 and _joins(text, cut):
        cut -= 1
    return cut


def _joins(text: str, at: int) -> bool:
    """Whether a cut before `at` would part one visible character."""
    return (
        unicodedata.combining(text[at]) != 0
        or unicodedata.category(text[at]) in ("Mn", "Me", "Sk")
        or "\u200d" in (text[at], text[at - 1])
    )
