"""The rows of a data set: how they travel from one stage to the next, group by group, as Parquet.

A data set is of one kind, and each kind has one schema. What the rows are made of, and what is done
with them, is the business of the stages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from inhouse.core.errors import BadInput, StoreError
from inhouse.core.nouns import Document

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["documents", "chats", "examples", "preferences"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FILE = "rows.parquet"
GROUP_ROWS = 1_000
GROUP_BYTES = 4 * 2**20
KIND_KEY = b"inhouse.kind"
# The file of documents before rows were Parquet: indexes that are still served were made of it.
FORMER = "documents.jsonl"
# Columns whose values repeat.
REPEATING = ("label", "part", "role", "step", "name", "rule", "limit")


@cache
def schema(kind: Kind) -> pa.Schema:
    """Return the schema of a kind; no value is ever null.

    Each row has an `id` that is its own in the data set and stays from version to version: of a
    document it is the path. `part` names the part of a split that a row belongs to, else it is
    empty; `source` is the file and line that a row came from. `tools` is OpenAI's list as JSON;
    `scores` are what a teacher thinks of all labels, likeliest first, empty if none was asked. An
    answer that was judged by itself is `chosen` or `rejected`, and the other one is empty.
    """
    import pyarrow as pa

    text = pa.string()
    call = _struct({"id": text, "name": text, "arguments": text})
    score = _struct({"label": text, "probability": pa.float32()})
    message = _struct({"role": text, "content": text, "calls": _list(call), "answers": text})
    columns: Mapping[Kind, Mapping[str, pa.DataType]] = {
        "documents": {"title": text, "text": text, "digest": text, "modified": pa.float64()},
        "chats": {"messages": _list(message), "tools": text, "source": text},
        "examples": {"text": text, "label": text, "scores": _list(score), "source": text},
        "preferences": {
            "prompt": _list(message),
            "chosen": _list(message),
            "rejected": _list(message),
            "source": text,
        },
    }
    fields = {"id": text, **columns[kind], "part": text}
    return pa.schema(
        [pa.field(name, type, nullable=False) for name, type in fields.items()],
        metadata={KIND_KEY: kind.encode()},
    )


class RowWriter:
    """Writes rows to a file, a group at a time; the file is there once all of them are.

    A group ends after `GROUP_ROWS` rows or `GROUP_BYTES` bytes, so whoever reads needs no more
    memory than that, or than the longest row.
    """

    def __init__(self, file: Path, columns: pa.Schema) -> None:
        """Begin a file; rows of a data set have the columns that `schema` gives for their kind."""
        import pyarrow.parquet as pq

        self.rows = 0
        self._file, self._aside = file, file.with_name(f".{file.name}.new")
        self._columns = columns
        self._waiting: list[pa.Table] = []
        names = [name for name in columns.names if name in REPEATING]
        self._writer = pq.ParquetWriter(
            self._aside, columns, compression="zstd", use_dictionary=names, write_statistics=["id"]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        if kind is None:
            self._aside.replace(self._file)
        else:
            self._aside.unlink(missing_ok=True)

    def write(self, table: pa.Table) -> None:
        """Write rows that have all columns, in any order."""
        self._waiting.append(table.select(self._columns.names).cast(self._columns))
        self.rows += table.num_rows
        while self._full():
            self._flush(all=False)

    def write_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows that come one by one; what one does not name is empty.

        Raises:
            BadInput: two of them have the same id, so nobody could say which one is meant.
        """
        import pyarrow as pa

        ids: set[str] = set()
        gathered: list[Mapping[str, Any]] = []
        size = 0
        for row in rows:
            if row["id"] in ids:
                raise BadInput(f"Two rows have the id {row['id']!r}.", "Give each one its own.")
            ids.add(row["id"])
            gathered.append({**self._empty, **row})
            size += len(row.get("text") or "")
            if len(gathered) == GROUP_ROWS or size >= GROUP_BYTES:
                self.write(pa.Table.from_pylist(gathered, self._columns))
                gathered, size = [], 0
        if gathered:
            self.write(pa.Table.from_pylist(gathered, self._columns))

    @property
    def _empty(self) -> dict[str, Any]:
        empty: Mapping[str, object] = {"string": "", "double": 0.0}
        return {f.name: empty.get(str(f.type), []) for f in self._columns}

    def _full(self) -> bool:
        rows = sum(table.num_rows for table in self._waiting)
        size = sum(table.nbytes for table in self._waiting)
        return bool(rows >= GROUP_ROWS or (rows > 1 and size >= GROUP_BYTES))

    def _flush(self, *, all: bool = True) -> None:
        """Write the next group; or all that waits, which is no more than one."""
        import pyarrow as pa

        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        many = table.num_rows if all else _fitting(table)
        if many:
            self._writer.write_table(table.slice(0, many), row_group_size=GROUP_ROWS)
        rest = table.slice(many)
        self._waiting = [rest] if rest.num_rows else []


class RowReader:
    """Reads the rows of a data set, a group at a time."""

    def __init__(self, folder: Path, *, file: str = FILE) -> None:
        """Open the rows in a folder.

        Raises:
            StoreError: they were written before rows were Parquet.
        """
        from pyarrow.parquet import ParquetFile

        if file == FILE and not (folder / file).exists() and (folder / FORMER).exists():
            raise StoreError(
                f"{folder} was made by an earlier version of inhouse.",
                "Make it again with: inhouse run",
            )
        self._opened = ParquetFile(folder / file)
        metadata = self._opened.metadata
        self.rows: int = metadata.num_rows
        self.groups: int = metadata.num_row_groups
        self.columns: list[str] = self._opened.schema_arrow.names

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def kind(self) -> Kind:
        """The kind of the rows."""
        named = (self._opened.schema_arrow.metadata or {}).get(KIND_KEY, b"documents").decode()
        return next(kind for kind in KINDS if kind == named)

    def group(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a group, or some columns of it."""
        found = self._opened.read_row_group(
            number, columns=list(columns) if columns else None, use_threads=False
        )
        return found.combine_chunks()

    def all(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield all groups in order."""
        for number in range(self.groups):
            yield self.group(number, columns)


def kind_of(folder: Path) -> Kind:
    """Return the kind of the rows in a folder."""
    with RowReader(folder) as reader:
        return reader.kind


def write_rows(folder: Path, kind: Kind, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows to `folder` in the order given; return how many there were.

    Raises:
        BadInput: two of them have the same id.
    """
    with RowWriter(folder / FILE, schema(kind)) as writer:
        writer.write_all(rows)
    return writer.rows


def read_rows(
    folder: Path, columns: Sequence[str] | None = None, *, file: str = FILE
) -> Iterator[dict[str, Any]]:
    """Yield the rows in `folder`, or some columns of them, one at a time."""
    with RowReader(folder, file=file) as reader:
        for table in reader.all(columns):
            yield from table.to_pylist()


def write_documents(folder: Path, documents: Iterable[Document]) -> None:
    """Write `documents` to `folder` in the order given, one at a time.

    Raises:
        BadInput: two of them have the same path, so nobody could say which one is meant.
    """
    write_rows(folder, "documents", map(row_of, documents))


def read_documents(folder: Path) -> Iterator[Document]:
    """Yield the documents in `folder`, one at a time.

    Raises:
        BadInput: they are rows of another kind.
    """
    if not (folder / FILE).exists() and (folder / FORMER).exists():
        with (folder / FORMER).open(encoding="utf-8", newline="\n") as lines:
            yield from (Document(**json.loads(line)) for line in lines)
        return
    with RowReader(folder) as reader:
        if reader.kind != "documents":
            raise BadInput(f"These are {reader.kind}, no documents.", "Name a set of documents.")
        for table in reader.all():
            yield from map(document, table.to_pylist())


def find_document(folder: Path, path: str) -> Document | None:
    """Return the document in `folder` that has a path, without reading the others."""
    if not (folder / FILE).exists():
        return next((found for found in read_documents(folder) if found.path == path), None)
    with RowReader(folder) as reader:
        for number in range(reader.groups):
            place = reader.group(number, ["id"]).column("id").index(path).as_py()
            if place >= 0:
                (row,) = reader.group(number).slice(place, 1).to_pylist()
                return document(row)
    return None


def document(row: Mapping[str, Any]) -> Document:
    """Return the document that a row is."""
    return Document(row["id"], row["title"], row["text"], row["digest"], row["modified"])


def row_of(found: Document) -> dict[str, Any]:
    """Return the row that a document is."""
    return {
        "id": found.path,
        "title": found.title,
        "text": found.text,
        "digest": found.digest,
        "modified": found.modified,
    }


def _fitting(table: pa.Table) -> int:
    """Return how many rows from the first on make a group."""
    many = min(int(table.num_rows), GROUP_ROWS)
    while many > 1 and table.slice(0, many).nbytes > GROUP_BYTES:
        many = max(1, many // 2)
    return many


def _struct(fields: Mapping[str, pa.DataType]) -> pa.DataType:
    import pyarrow as pa

    return pa.struct([pa.field(name, type, nullable=False) for name, type in fields.items()])


def _list(type: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.field("element", type, nullable=False))
