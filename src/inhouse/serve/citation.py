"""Citations: the sections that an answer rests on, with the words that bear it out.

Which words those are is decided in `inhouse.serve.quote`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from inhouse.core.nouns import Hit, Section
from inhouse.serve.wording import Span


@dataclass(frozen=True, slots=True)
class Citation:
    """A section that an answer cites as [number].

    `quote` is what the answer rests on; it stands word for word in the section `id` of the
    `document`, in the pinned version of the `source`. `modified` is the day on which the document
    was, if that is known.
    """

    number: int
    source: str
    document: str
    heading: str
    anchor: str
    id: str
    quote: str
    link: str
    modified: str | None


def cite(hits: Sequence[Hit], spans: Mapping[int, Span]) -> tuple[Citation, ...]:
    """Return the citations of the sections that have a span, by number from 1."""
    return tuple(_citation(n, hit, spans[n]) for n, hit in enumerate(hits, 1) if n in spans)


def _citation(number: int, hit: Hit, span: Span) -> Citation:
    section = hit.section
    return Citation(
        number=number,
        source=section.source.pinned,
        document=section.document,
        heading=" › ".join(section.headings),
        anchor=section.anchor,
        id=section.id,
        quote=hit.passage[slice(*span)],
        link=link(section),
        modified=modified(section),
    )


def link(section: Section) -> str:
    """Return the relative address of a document at a section, as it stands in a URL.

    PDF viewers know pages by ``#page=3``.
    """
    document, anchor = quote(section.document), section.anchor
    page = re.fullmatch(r"page-(\d+)(-\d+)?", anchor)
    if page and document.lower().endswith(".pdf"):
        return f"{document}#page={page[1]}"
    # Anchors of records and of some pages are written as in a URL already.
    return f"{document}#{quote(unquote(anchor))}" if anchor else document


def modified(section: Section) -> str | None:
    """Return the day (UTC) on which the document was modified, as YYYY-MM-DD; None if unknown."""
    if not section.modified:
        return None
    return datetime.fromtimestamp(section.modified, UTC).date().isoformat()


def listing(citations: Sequence[Citation]) -> str:
    """Return one line for each citation, for clients that show nothing but the text."""
    return "\n".join(
        f"[{c.number}] {c.document} › {c.heading}" if c.heading else f"[{c.number}] {c.document}"
        for c in citations
    )
