"""Markdown files: the front matter comes off, the title is found. The rest stays as written."""

from __future__ import annotations

import re

from inhouse.data.text import decode
from inhouse.models.headings import headings

KEY = r"(?:[\w.-]+(?:[ \t]+[\w.-]+){0,3}|\"[^\"\n]*\"|'[^'\n]*')[ \t]*:"
# Two rules with prose between them begin a text; what lies between those of front matter is
# keys, and below them values that are indented, listed or end a bracket, comments and empty lines.
FRONT = re.compile(
    rf"\A---[ \t]*\n(\s*{KEY}.*(?:\n(?:(?:[ \t#\]}}]|-[ \t]|{KEY}).*|-?))*?)"
    r"\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)"
)
TITLE = re.compile(r"^title[ \t]*:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)


def read_markdown(data: bytes) -> tuple[str, str]:
    """Return title and text of a Markdown file; the title is empty if it has none.

    The title is the one in the front matter, else the first heading of level 1.

    Raises:
        BadInput: it is not UTF-8 text.
    """
    front, text = parted(decode(data))
    return title_of(front, text), text


def parted(text: str) -> tuple[str, str]:
    """Return the front matter, empty if there is none, and the text behind it."""
    front = FRONT.match(text)
    return (front[1], text[front.end() :]) if front else ("", text)


def title_of(front: str, text: str) -> str:
    """Return the title of a text with that front matter; empty if it has none."""
    title = TITLE.search(front)
    return (_unquote(title[1].rstrip()) if title else "") or _first_heading(text)


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1].strip()
    return "" if value[0] in "|>" else value


def _first_heading(text: str) -> str:
    return next((heading.text for heading in headings(text) if heading.level == 1), "")
