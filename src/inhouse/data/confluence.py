"""A Confluence space as a zip of HTML pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from selectolax.lexbor import LexborHTMLParser

from inhouse.core.errors import BadInput
from inhouse.data.archive import Archive
from inhouse.data.html import read_html
from inhouse.data.parts import LeftOut, Part, Places
from inhouse.data.text import decode

INDEX = "index.html"
SPACE = re.compile(rb"confluence|id=\"space-details|Space Details", re.IGNORECASE)
NOT_CONTENT = ".page-metadata, .pageSection, #footer, #breadcrumb-section, .toc-macro"


def is_space(archive: Archive) -> bool:
    """Tell whether it holds the index that Confluence writes."""
    index = _index(archive)
    return index is not None and bool(SPACE.search(archive.read(index)))


def read_space(archive: Archive) -> Iterator[Part | LeftOut]:
    """Yield the pages beside the index, each called by its title, and count the other files."""
    index = _index(archive) or INDEX
    folder = PurePosixPath(index).parent
    names = [name for name in archive.names if name != index]
    pages = [n for n in names if n.endswith(".html") and PurePosixPath(n).parent == folder]
    places = Places()
    for name in pages:
        try:
            title, text = _page(decode(archive.read(name)))
        except BadInput as unfit:
            yield LeftOut(f"/{name}", str(unfit))
        else:
            yield Part(title, text, places.take(title or PurePosixPath(name).stem))
    yield from not_read(len(names) - len(pages))


def not_read(others: int) -> Iterator[LeftOut]:
    """Yield the one line for all files in an export that are no pages, such as attachments."""
    if others:
        yield LeftOut(
            "/attachments",
            f"{others} files that are no pages are not read. Put those you need beside the export.",
        )


def _index(archive: Archive) -> str | None:
    found = [name for name in archive.names if PurePosixPath(name).name == INDEX]
    return min(found, key=lambda name: name.count("/"), default=None)


def _page(html: str) -> tuple[str, str]:
    """Return title and text of a page without what Confluence puts around it."""
    tree = LexborHTMLParser(html)
    headline = tree.css_first("#title-text") or tree.css_first("title")
    title = " ".join(headline.text().split()) if headline else ""
    # Titles are written "Name of the space : Title".
    title = title.partition(" : ")[2] or title
    content = tree.css_first("#main-content") or tree.css_first("#content")
    if content is None:
        return title, ""
    for around in content.css(NOT_CONTENT):
        around.decompose()
    return title, read_html((content.html or "").encode())[1]
