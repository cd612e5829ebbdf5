"""A Confluence space as a zip of HTML pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath

from selectolax.lexbor import LexborNode

from inhouse.core.errors import BadInput
from inhouse.data.archive import Archive
from inhouse.data.dates import moment
from inhouse.data.html import read_html, tree_of
from inhouse.data.parts import LeftOut, Part, Places
from inhouse.data.text import decode

INDEX = "index.html"
SPACE = re.compile(rb"confluence|id=\"space-details|Space Details", re.IGNORECASE)
PAGE = (b'id="title-text"', b'id="main-content"')
LOOKED_AT = 10
START = 2**16
NOT_CONTENT = ".page-metadata, .pageSection, #footer, #breadcrumb-section, .toc-macro"


def is_space(archive: Archive) -> bool:
    """Tell whether it holds the index that Confluence writes, or one beside pages of its kind."""
    index = _index(archive)
    if index is None:
        return False
    if SPACE.search(archive.read(index)):
        return True
    pages = islice(_pages(archive, index), LOOKED_AT)
    return any(all(mark in _start(archive, name) for mark in PAGE) for name in pages)


def read_space(archive: Archive) -> Iterator[Part | LeftOut]:
    """Yield the pages beside the index, each called by its title, and count the other files."""
    index = _index(archive) or INDEX
    pages = list(_pages(archive, index))
    places = Places()
    for name in pages:
        try:
            title, text, modified = _page(decode(archive.read(name)))
        except BadInput as unfit:
            yield LeftOut(f"/{name}", str(unfit))
        else:
            place = places.take(title or PurePosixPath(name).stem)
            yield Part(title, text, place, modified)
    yield from not_read(sum(name != index for name in archive.names) - len(pages))


def not_read(others: int) -> Iterator[LeftOut]:
    """Yield the one line for all files in an export that are no pages, such as attachments."""
    if others:
        yield LeftOut(
            "/attachments",
            f"{others} files are no pages and are not read. Put those you need beside the export."
            if others > 1
            else "1 file is no page and is not read. Put it beside the export if you need it.",
        )


def _index(archive: Archive) -> str | None:
    found = [name for name in archive.names if PurePosixPath(name).name == INDEX]
    return min(found, key=lambda name: name.count("/"), default=None)


def _pages(archive: Archive, index: str) -> Iterator[str]:
    """Yield the names of the pages beside the index."""
    folder = PurePosixPath(index).parent
    for name in archive.names:
        path = PurePosixPath(name)
        if name != index and path.suffix == ".html" and path.parent == folder:
            yield name


def _start(archive: Archive, name: str) -> bytes:
    with archive.open(name) as stream:
        return stream.read(START)


def _page(html: str) -> tuple[str, str, float]:
    """Return title, text and time of a page without what Confluence puts around it."""
    tree = tree_of(html)
    headline = tree.css_first("#title-text")
    title = _words(headline or tree.css_first("title"))
    if headline:  # written "Name of the space : Title"
        title = title.partition(" : ")[2] or title
    about = tree.css_first(".page-metadata")
    # "Created by Ana, last modified by Bo on Mar 05, 2024"
    modified = moment(_words(about).rpartition(" on ")[2])
    content = tree.css_first("#main-content") or tree.css_first("#content")
    if content is None:
        return title, "", modified
    for around in content.css(NOT_CONTENT):
        around.decompose()
    return title, read_html((content.html or "").encode())[1], modified


def _words(node: LexborNode | None) -> str:
    return " ".join(node.text().split()) if node else ""
