"""The headings of a Markdown text: which lines they are, how they read, and their anchors.

The one place that says so, for whoever titles documents and whoever cuts them into sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt

ANCHOR = re.compile(r"\{#([^}\s]+)\}\s*\Z")
WORDS = ("text", "code_inline")
BREAKS = ("softbreak", "hardbreak")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its line and the first line behind it, its level, words and own anchor."""

    start: int
    end: int
    level: int
    text: str
    anchor: str


def headings(text: str) -> Iterator[Heading]:
    """Yield the headings that have words; those in quotes, lists and code do not count."""
    tokens = _blocks().parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open" or opening.level > 0 or opening.map is None:
            continue
        own = ANCHOR.search(inline.content)
        words = _plain(ANCHOR.sub("", inline.content))
        if words:
            start, end = opening.map
            yield Heading(start, end, int(opening.tag[1]), words, own[1] if own else "")


def _plain(inline: str) -> str:
    """Return the words of a heading without emphasis, links and the like."""
    children = _inline().parseInline(inline)[0].children or ()
    text = "".join(
        " " if word.type in BREAKS else word.content
        for word in children
        if word.type in (*WORDS, *BREAKS)
    )
    return " ".join(text.split())


@cache
def _blocks() -> MarkdownIt:
    return MarkdownIt("commonmark").disable("inline")


@cache
def _inline() -> MarkdownIt:
    return MarkdownIt("commonmark")
