"""The data set of the version before: a place to take over documents whose file is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inhouse.catalog.rows import RowReader, document
from inhouse.core.artifact import Input
from inhouse.core.nouns import Document
from inhouse.core.stage import Stage

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def earlier(previous: Input | None, stage: Stage) -> Iterator[Earlier]:
    """Open what `stage` made before; nothing if it was another stage or another code of it."""
    made = (previous.artifact.recipe, previous.artifact.code) if previous else None
    if previous is None or made != (stage.recipe, stage.code):
        yield Earlier(None)
        return
    with RowReader(previous.folder) as rows:
        yield Earlier(rows if rows.kind == "documents" else None)


class Earlier:
    """Documents of a data set by the path and the digest of their file."""

    def __init__(self, rows: RowReader | None) -> None:
        self._rows = rows
        self._places: dict[tuple[str, str], tuple[int, int]] = {}
        self._open: tuple[int, pa.Table] | None = None
        for group, pairs in enumerate(_keys(rows) if rows else ()):
            for row, (path, digest) in enumerate(pairs):
                self._places[path, digest] = group, row

    def document(self, path: str, digest: str) -> Document | None:
        """Return the document that a file was; None if it was not there, or other bytes."""
        place = self._places.get((path, digest))
        if place is None or self._rows is None:
            return None
        group, row = place
        # Files come in the order in which they were written, so a group is read once.
        if self._open is None or self._open[0] != group:
            self._open = group, self._rows.group(group)
        return document(self._open[1].slice(row, 1).to_pylist()[0])


def _keys(rows: RowReader) -> Iterator[Iterator[tuple[str, str]]]:
    """Yield path and digest of the documents of each group."""
    for table in rows.all(("id", "digest")):
        yield zip(*(column.to_pylist() for column in table.columns), strict=True)
