"""Batches on disk while a data set is cleaned: each is written whole or not at all.

So a run that was killed goes on with the batches that are not there. What is in them is the
business of `curate`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "unfinished"
COUNTS = b"inhouse.counts"


class Shelf:
    """Tables by what they are and by their number, in the folder of one pass."""

    def __init__(self, work: Path, number: int) -> None:
        self.folder = work / FOLDER / str(number)
        self.folder.mkdir(parents=True, exist_ok=True)

    def has(self, what: str, number: int) -> bool:
        """Say whether a table was put there whole."""
        return self._file(what, number).exists()

    def put(
        self, what: str, number: int, table: pa.Table, counts: Mapping[str, Any] | None = None
    ) -> None:
        """Put a table there, with something counted."""
        import pyarrow as pa

        kept = {**(table.schema.metadata or {}), COUNTS: json.dumps(counts or {}).encode()}
        table = table.replace_schema_metadata(kept).combine_chunks()
        file = self._file(what, number)
        aside = file.with_name(f".{file.name}")
        with pa.OSFile(str(aside), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)
        os.replace(aside, file)

    def take(self, what: str, number: int) -> tuple[pa.Table, Mapping[str, Any]]:
        """Return a table, whose bytes stay on disk until they are read, and what was counted."""
        import pyarrow as pa

        with pa.memory_map(str(self._file(what, number))) as source:
            table = pa.ipc.open_file(source).read_all().combine_chunks()
        metadata = dict(table.schema.metadata or {})
        counts = json.loads(metadata.pop(COUNTS))
        return table.replace_schema_metadata(metadata or None), counts

    def clear(self) -> None:
        """Remove what is there; a batch that is asked for again has to be made again."""
        for file in self.folder.iterdir():
            file.unlink()

    def _file(self, what: str, number: int) -> Path:
        return self.folder / f"{number:08d}.{what}.arrow"


class Remembered:
    """What a step remembers of all batches of a pass."""

    def __init__(self, shelf: Shelf, batches: int) -> None:
        self._shelf, self._batches = shelf, batches

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, number: int) -> pa.Table:
        return self._shelf.take("seen", number)[0]

    def __iter__(self) -> Iterator[pa.Table]:
        return (self[number] for number in range(self._batches))
