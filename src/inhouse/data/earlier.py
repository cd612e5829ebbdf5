"""The data set of the version before: a place to take over documents whose file is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from inhouse.core.artifact import Input
from inhouse.core.documents import FILE, document_of
from inhouse.core.nouns import Document
from inhouse.core.stage import Stage


@contextmanager
def earlier(previous: Input | None, stage: Stage) -> Iterator[Earlier]:
    """Open what `stage` made before; nothing if it was another stage or another code of it."""
    if previous is None:
        yield Earlier(None)
        return
    made = (previous.artifact.recipe, previous.artifact.code)
    same = made == (stage.recipe, stage.code)
    with (previous.folder / FILE).open("rb") as lines:
        yield Earlier(lines if same else None)


class Earlier:
    """Documents of a data set by the path and the digest of their file."""

    def __init__(self, lines: BinaryIO | None) -> None:
        self._lines = lines
        self._places: dict[tuple[str, str], int] = {}
        while lines:
            place, line = lines.tell(), lines.readline()
            if not line:
                break
            document = document_of(line)
            self._places[document.path, document.digest] = place

    def document(self, path: str, digest: str) -> Document | None:
        """Return the document that a file was; None if it was not there, or other bytes."""
        place = self._places.get((path, digest))
        if place is None or self._lines is None:
            return None
        self._lines.seek(place)
        return document_of(self._lines.readline())
