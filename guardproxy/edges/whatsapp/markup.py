"""Markdown as models write it to WhatsApp's own markup, and long texts in parts that fit.

https://faq.whatsapp.com/539178204879377 (formatting), 4,096 characters a message (Cloud API).
"""

import re

import regex
from markdown_it import MarkdownIt
from markdown_it.token import Token

MOST = 4096  # characters of one text message
_MARKS = {"strong_open": "*", "strong_close": "*", "em_open": "_", "em_close": "_",
          "s_open": "~", "s_close": "~"}  # fmt: skip
_LOOKS_MARKED = re.compile(r"[*_~`#\[|]|^\s*(?:[-+]|\d+[.)])\s", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?…](?=\s)|[。！？؟।]")
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
    cuts, left = [], text.rstrip()
    while len(left) > most:
        cut = _cut(left[: most + 1], most)
        cuts.append(left[:cut].rstrip())
        left = left[cut:].lstrip()
    return [part for part in (*cuts, left) if part.strip()]


def _cut(head: str, most: int) -> int:
    """Where to cut: after a paragraph, a sentence or a word, each only if that leaves no short
    part, else after a whole character as people see it.
    """
    ends = [match.end() for match in _SENTENCE_END.finditer(head)]
    for end in (head.rfind("\n\n"), max(ends, default=0), head.rfind("\n"), head.rfind(" ")):
        if end >= most // 2:
            return end
    whole = [match.start() for match in regex.finditer(r"\X", head)]
    return whole[-1] or most  # a character longer than a message has to be cut
