"""Markdown files: the front matter comes off, the title is found. The rest stays as written."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt

from inhouse.data.text import decode

FRONT = re.compile(r"\A---[ \t]*\n(\s*[\w-]+[ \t]*:.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
TITLE = re.compile(r"^title[ \t]*:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)
ANCHOR = re.compile(r"\{#[^}\s]+\}\s*\Z")


def read_markdown(data: bytes) -> tuple[str, str]:
    """Return title and text of a Markdown file; the title is empty if it has none.

    The title is the one in the front matter, else the first heading of level 1.

    Raises:
        BadInput: it is not UTF-8 text.
    """
    text = decode(data)
    front = FRONT.match(text)
    if not front:
        return _first_heading(text), text
    text = text[front.end() :]
    title = TITLE.search(front[1])
    return (_unquote(title[1].rstrip()) if title else "") or _first_heading(text), text


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1].strip()
    return "" if value[0] in "|>" else value


def _first_heading(text: str) -> str:
    tokens = _blocks().parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.tag == "h1" and opening.level == 0:
            content = ANCHOR.sub("", inline.content)
            words = _inline().parseInline(content)[0].children or []
            return "".join(w.content for w in words if w.type in ("text", "code_inline")).strip()
    return ""


@cache
def _blocks() -> MarkdownIt:
    return MarkdownIt("commonmark").disable("inline")


@cache
def _inline() -> MarkdownIt:
    return MarkdownIt("commonmark")
