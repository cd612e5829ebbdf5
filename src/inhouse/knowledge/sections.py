"""Documents to sections: one for each heading, with its path of headings and its anchor.

Cutting sections into passages is the business of `passages`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count, pairwise

from markdown_it import MarkdownIt

from inhouse.core.artifact import Ref
from inhouse.core.nouns import Document, Section

LINE_END = re.compile(r"\r\n?|\n")
ANCHOR = re.compile(r"\{#([^}\s]+)\}\s*\Z")
NOT_IN_SLUG = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class _Heading:
    """A heading: its line and the first line behind it, its level, words and own anchor."""

    start: int
    end: int
    level: int
    text: str
    anchor: str


def split(document: Document, source: Ref) -> list[Section]:
    """Return the sections of a document that have text, in order.

    A section runs from its heading to the next one of any level and stands word for word in
    ``document.text``, without the heading. Text before the first heading is a section of its own,
    with an empty anchor. Headings in quotes, lists and code do not count.
    """
    text = document.text
    starts = [0, *(end.end() for end in LINE_END.finditer(text)), len(text)]
    headings = [_Heading(0, 0, 0, "", ""), *_headings(text)]
    stops = [*(heading.start for heading in headings[1:]), len(starts) - 1]
    paths = _paths(headings, document.title)
    sections: list[Section] = []
    for heading, stop, names, anchor in zip(
        headings, stops, paths, _anchors(headings), strict=True
    ):
        body = text[starts[heading.end] : starts[stop]].strip()
        if body:
            name = _section_id(source, document.path, anchor)
            sections.append(
                Section(name, source, document.path, len(sections), names, anchor, body)
            )
    return sections


def find_section(documents: Iterable[Document], source: Ref, id: str) -> Section | None:
    """Return the section with an id, of those that `split` makes of the documents of a source."""
    for document in documents:
        whole = _section_id(source, document.path, "")
        if id == whole or id.startswith(f"{whole}#"):
            return next((found for found in split(document, source) if found.id == id), None)
    return None


def _section_id(source: Ref, path: str, anchor: str) -> str:
    # Neither ':' in a reference nor a bare '#' in the path: so no two sections share an id.
    place = f"{source.path}:{path.replace('%', '%25').replace('#', '%23')}"
    return f"{place}#{anchor}" if anchor else place


def _headings(text: str) -> Iterator[_Heading]:
    tokens = _blocks().parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open" or opening.level > 0 or opening.map is None:
            continue
        own = ANCHOR.search(inline.content)
        words = _plain(ANCHOR.sub("", inline.content))
        if words:
            start, end = opening.map
            yield _Heading(start, end, int(opening.tag[1]), words, own[1] if own else "")


def _plain(inline: str) -> str:
    """Return the words of a heading without emphasis, links and the like."""
    children = _inline().parseInline(inline)[0].children or ()
    text = "".join(
        " " if word.type in ("softbreak", "hardbreak") else word.content
        for word in children
        if word.type in ("text", "code_inline", "softbreak", "hardbreak")
    )
    return " ".join(text.split())


def _paths(headings: list[_Heading], title: str) -> Iterator[tuple[str, ...]]:
    """Yield for each heading the headings that lead to it, from the document's title on."""
    above: list[_Heading] = []
    for heading in headings:
        while above and above[-1].level >= heading.level:
            above.pop()
        above.append(heading)
        names = tuple(h.text for h in above if h.text)
        yield names if names[:1] == (title,) else (title, *names)


def _anchors(headings: list[_Heading]) -> list[str]:
    """Return an anchor for each heading: its own, else one made as GitHub does; each once."""
    taken: set[str] = set()
    own = [_free(h.anchor, taken) if h.anchor else "" for h in headings]
    made = (NOT_IN_SLUG.sub("", h.text.lower()).replace(" ", "-") or "section" for h in headings)
    return [
        anchor or (_free(slug, taken) if heading.text else "")
        for heading, anchor, slug in zip(headings, own, made, strict=True)
    ]


def _free(anchor: str, taken: set[str]) -> str:
    """Return `anchor`, with a number behind it if it is taken, and take it."""
    numbered = (f"{anchor}-{n}" if n else anchor for n in count())
    free = next(name for name in numbered if name not in taken)
    taken.add(free)
    return free


@cache
def _blocks() -> MarkdownIt:
    return MarkdownIt("commonmark").disable("inline")


@cache
def _inline() -> MarkdownIt:
    return MarkdownIt("commonmark")
