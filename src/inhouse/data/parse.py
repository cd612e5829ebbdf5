"""One file to one document: which format it is, and how its title is found.

What the formats look like inside is the business of `markdown`, `html` and `text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Document
from inhouse.data.html import read_html
from inhouse.data.markdown import read_markdown
from inhouse.data.text import decode, plain

Parser = Callable[[bytes], tuple[str, str]]
"""The bytes of a file to its title, empty if it has none, and its text as Markdown."""


def _read_plain(data: bytes) -> tuple[str, str]:
    return "", plain(decode(data))


PARSERS: Mapping[str, Parser] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".mdx": read_markdown,
    ".txt": _read_plain,
    ".rst": _read_plain,
    ".html": read_html,
    ".htm": read_html,
}


def parse(path: str, data: bytes, digest: str) -> Document:
    """Return the document in a file; without a title of its own it is called after the file.

    Args:
        path: where it lies in its source; the ending tells the format.
        data: the whole file.
        digest: sha256 of `data`.

    Raises:
        BadInput: the type is not supported, or the file is empty, broken or not text.
    """
    name = PurePosixPath(path)
    parser = PARSERS.get(name.suffix.lower())
    if parser is None:
        kind = f"of type {name.suffix!r}" if name.suffix else "without an ending"
        raise BadInput(
            f"Files {kind} are not read.",
            f"Convert it to one of {', '.join(PARSERS)}.",
        )
    title, text = parser(data)
    if not text.strip():
        raise BadInput("It has no text.", "Leave it out of the source.")
    # A file's time is not part of the source's version, so it may not be part of its bytes.
    return Document(path, title or re.sub(r"[-_]+", " ", name.stem).strip(), text, digest)
