"""Documents to sections: one for each heading, with its path of headings and its anchor.

Cutting sections into passages is the business of `passages`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

from inhouse.core.artifact import Ref
from inhouse.core.nouns import Document, Section
from inhouse.models.headings import Heading, headings

LINE_END = re.compile(r"\r\n?|\n")
NOT_IN_SLUG = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Piece:
    """What a section is within its document: headings, anchor and text."""

    headings: tuple[str, ...]
    anchor: str
    text: str


def split(document: Document, source: Ref) -> list[Section]:
    """Return the sections of a document of a source that have text, in order; see `pieces`."""
    sections = []
    for position, piece in enumerate(pieces(document)):
        name = _section_id(source, document.path, piece.anchor)
        place = (name, source, document.path, position)
        sections.append(
            Section(*place, piece.headings, piece.anchor, piece.text, document.modified)
        )
    return sections


def pieces(document: Document) -> Iterator[Piece]:
    """Yield what has text, in order.

    A piece runs from its heading to the next one of any level and stands word for word in
    ``document.text``, without the heading. Text before the first heading is a piece of its own,
    with an empty anchor.
    """
    text = document.text
    starts = [0, *(end.end() for end in LINE_END.finditer(text)), len(text)]
    found = [Heading(0, 0, 0, "", ""), *headings(text)]
    stops = [*(heading.start for heading in found[1:]), len(starts) - 1]
    paths = _paths(found, document.title)
    for heading, stop, names, anchor in zip(found, stops, paths, _anchors(found), strict=True):
        body = text[starts[heading.end] : starts[stop]].strip()
        if body:
            yield Piece(names, anchor, body)


def find_section(documents: Iterable[Document], source: Ref, id: str) -> Section | None:
    """Return the section with an id, of those that `split` makes of the documents of a source."""
    for document in documents:
        whole = _section_id(source, document.path, "")
        if id == whole or id.startswith(f"{whole}#"):
            return next((found for found in split(document, source) if found.id == id), None)
    return None


def document_path(source: Ref, id: str) -> str:
    """Return which document of a source a section is of, by its id; nothing if it is of none."""
    of, _, place = id.partition(":")
    path = place.partition("#")[0]
    return path.replace("%23", "#").replace("%25", "%") if of == source.path else ""


def _section_id(source: Ref, path: str, anchor: str) -> str:
    # Neither ':' in a reference nor a bare '#' in the path: so no two sections share an id.
    place = f"{source.path}:{path.replace('%', '%25').replace('#', '%23')}"
    return f"{place}#{anchor}" if anchor else place


def _paths(found: list[Heading], title: str) -> Iterator[tuple[str, ...]]:
    """Yield for each heading the headings that lead to it, from the document's title on."""
    above: list[Heading] = []
    for heading in found:
        while above and above[-1].level >= heading.level:
            above.pop()
        above.append(heading)
        names = tuple(h.text for h in above if h.text)
        yield names if names[:1] == (title,) else (title, *names)


def _anchors(found: list[Heading]) -> list[str]:
    """Return an anchor for each heading: its own, else one made as GitHub does; each once."""
    taken: set[str] = set()
    own = [_free(h.anchor, taken) if h.anchor else "" for h in found]
    made = (NOT_IN_SLUG.sub("", h.text.lower()).replace(" ", "-") or "section" for h in found)
    return [
        anchor or (_free(slug, taken) if heading.text else "")
        for heading, anchor, slug in zip(found, own, made, strict=True)
    ]


def _free(anchor: str, taken: set[str]) -> str:
    """Return `anchor`, with a number behind it if it is taken, and take it."""
    numbered = (f"{anchor}-{n}" if n else anchor for n in count())
    free = next(name for name in numbered if name not in taken)
    taken.add(free)
    return free
