"""A Notion export: pages as Markdown or HTML and databases as tables, in folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath

from inhouse.core.errors import BadInput
from inhouse.data.archive import Archive
from inhouse.data.blocks import heading, table
from inhouse.data.confluence import not_read
from inhouse.data.dates import moment
from inhouse.data.html import read_html
from inhouse.data.markdown import read_markdown
from inhouse.data.parts import LeftOut, Part, Places
from inhouse.data.records import rows
from inhouse.data.text import decode

PAGES = (".md", ".html", ".csv")
# Names end in the page's id: "Travel policy 0123…cdef.md", a space written as %20 in links.
ID = re.compile(r"(?:%20| )[0-9a-f]{32}(?=_all\.|\.|/|\)|\Z)")
TARGET = re.compile(r"\]\([^)\n]*\)")
ALL = re.compile(r"_all(?=\.csv\Z)")
INNER = re.compile(r"(?:\A|/)(?:ExportBlock-[^/]*|Export-[^/]*|Part-\d+|[^/]*-Part-\d+)\.zip\Z")
MOST_ROWS = 20_000
# A property of the page, as a line of Markdown or the row of a table.
EDITED = re.compile(r"\bLast edited(?: time)?(?::| \|) @?(\w+ \d+, \d{4}(?: \d+:\d\d [AP]M)?)")
HEAD = 2000


def is_notion(archive: Archive) -> bool:
    """Tell whether its pages are named as Notion does, or it holds the parts of such an export."""
    pages = [name for name in archive.names if _suffix(name) in PAGES]
    named = sum(bool(ID.search(name)) for name in pages)
    return (named > 0 and 2 * named >= len(pages)) or any(map(INNER.search, archive.names))


def read_notion(archive: Archive) -> Iterator[Part | LeftOut]:
    """Yield pages and databases, called by their titles below the titles above them.

    A large export holds zips in turn; those are opened, and nothing that they hold.
    """
    places = Places()
    yield from _pages(archive, places)
    for name in filter(INNER.search, archive.names):
        try:
            with Archive(archive.read(name)) as part:
                yield from _pages(part, places)
        except BadInput as unfit:
            yield LeftOut(f"/{name}", str(unfit))


def _pages(archive: Archive, places: Places) -> Iterator[Part | LeftOut]:
    whole = {ALL.sub("", name) for name in archive.names if ALL.search(name)}
    others = 0
    for name in archive.names:
        if _suffix(name) not in PAGES or not ID.search(name):
            others += not INNER.search(name)
            continue
        if name in whole:
            continue  # the same database with all its columns follows
        try:
            yield _page(name, archive.read(name), places)
        except BadInput as unfit:
            yield LeftOut(f"/{name}", str(unfit))
    yield from not_read(others)


def _page(name: str, data: bytes, places: Places) -> Part:
    path = PurePosixPath(ALL.sub("", ID.sub("", name)))
    if path.suffix == ".md":
        title, text = read_markdown(data)
        text = TARGET.sub(lambda target: ID.sub("", target[0]), text)
    elif path.suffix == ".html":
        title, text = read_html(data)
    else:
        title, text = path.stem, _database(path.stem, decode(data))
    title = title or path.stem
    edited = EDITED.search(text, 0, HEAD)
    place = places.take(*path.parts[:-1], title)
    return Part(title, text, place, moment(edited[1]) if edited else 0.0)


def _database(title: str, text: str) -> str:
    found = [row for _, row in islice(rows(text), MOST_ROWS + 1)]
    if len(found) > MOST_ROWS:
        raise BadInput(f"It has more than {MOST_ROWS} rows.", "Export it in parts.")
    return f"{heading(1, title)}\n\n{table(found)}\n"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
