"""The file in which documents travel from one stage to the next: one JSON object a line.

Parsing files into documents is the data room's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Document

FILE = "documents.jsonl"


def write_documents(folder: Path, documents: Iterable[Document]) -> None:
    """Write `documents` to `folder` in the order given, one at a time.

    Raises:
        BadInput: two of them have the same path, so nobody could say which one is meant.
    """
    paths: set[str] = set()
    with (folder / FILE).open("w", encoding="utf-8", newline="\n") as out:
        for document in documents:
            if document.path in paths:
                raise BadInput(
                    f"Two documents have the path {document.path!r}.", "Give each one its own."
                )
            paths.add(document.path)
            out.write(json.dumps(asdict(document), ensure_ascii=False) + "\n")


def read_documents(folder: Path, *, about: str = "") -> Iterator[Document]:
    """Yield the documents in `folder`, one at a time.

    With the path that one is `about`, others are passed over as far as that can be seen quickly.
    """
    wanted = json.dumps(about, ensure_ascii=False) if about else ""
    with (folder / FILE).open(encoding="utf-8", newline="\n") as lines:
        yield from (document_of(line) for line in lines if wanted in line)


def document_of(line: str | bytes) -> Document:
    """Return the document that a line of the file is."""
    return Document(**json.loads(line))
