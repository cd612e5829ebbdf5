"""One file to its documents: which format it is, and how a document is called.

What the formats look like inside is the business of the modules that are named after them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Document
from inhouse.data.export import read_export
from inhouse.data.html import read_html
from inhouse.data.markdown import read_markdown
from inhouse.data.mdx import read_mdx
from inhouse.data.parts import LeftOut, Part
from inhouse.data.pdf import read_pdf
from inhouse.data.records import read_csv, read_jsonl
from inhouse.data.rst import read_rst
from inhouse.data.text import decode, plain
from inhouse.data.word import read_docx

HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")

Parser = Callable[[bytes], tuple[str, str]]
"""The bytes of a file to its title, empty if it has none, and its text as Markdown."""

Opener = Callable[[bytes], Iterator[Part | LeftOut]]
"""The bytes of a file to the documents in it, and to what is left out of it."""


def _read_plain(data: bytes) -> tuple[str, str]:
    return "", plain(decode(data))


PARSERS: Mapping[str, Parser] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".mdx": read_mdx,
    ".rst": read_rst,
    ".txt": _read_plain,
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
}
CONTAINERS: Mapping[str, Opener] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".zip": read_export,
}


def is_document(path: str) -> bool:
    """Say whether a file of that name may hold documents."""
    return PurePosixPath(path).suffix.lower() in {*PARSERS, *CONTAINERS}


def documents(
    path: str, data: bytes, digest: str, modified: float = 0.0
) -> Iterator[Document | LeftOut]:
    """Yield the documents in a file, and the parts of it that cannot be read.

    Args:
        path: where it lies in its source; the ending tells the format.
        data: the whole file.
        digest: sha256 of `data`.
        modified: when the file was, in seconds since 1970, 0.0 if unknown. What is a page of it
            has the time that the file itself gives.

    Raises:
        BadInput: nothing in it, or nothing more, can be read.
    """
    opener = CONTAINERS.get(PurePosixPath(path).suffix.lower())
    if opener is None:
        yield replace(parse(path, data, digest), modified=modified)
        return
    for part in opener(data):
        if isinstance(part, LeftOut):
            yield part
            continue
        try:
            document = _document(path + part.place, part.title, part.text, digest)
            yield replace(document, modified=part.modified if part.place else modified)
        except BadInput as unfit:
            yield LeftOut(part.place, str(unfit))


def parse(path: str, data: bytes, digest: str) -> Document:
    """Return the document that a file is; without a title of its own it is called after the file.

    Raises:
        BadInput: the type is not supported, or the file is empty, broken or not text.
    """
    suffix = PurePosixPath(path).suffix
    parser = PARSERS.get(suffix.lower())
    if parser is None:
        kind = f"of type {suffix!r}" if suffix else "without an ending"
        raise BadInput(
            f"Files {kind} are not read.",
            f"Leave it out of the source, or convert it to one of {', '.join(PARSERS)}.",
        )
    return _document(path, *parser(data), digest)


def _document(path: str, title: str, text: str, digest: str) -> Document:
    mend = "Write something into it, or leave it out of the source."
    if not text.strip():
        raise BadInput("It has no text.", mend)
    if all(not line.strip() or HEADING.match(line) for line in text.split("\n")):
        raise BadInput("It has headings and no text.", mend)
    title = " ".join(title.split()) or re.sub(r"[-_]+", " ", PurePosixPath(path).stem).strip()
    if "\0" in title + text:
        raise BadInput("It holds null characters, so it is not text.", "Take them out.")
    try:
        (title + text).encode()
    except UnicodeEncodeError as error:
        raise BadInput("It holds half a character.", "Save it as UTF-8 text.") from error
    return Document(path, title, text, digest)
