"""The texts in rows of any kind: as one text a row, or each in its place, to be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inhouse.catalog.rows import Kind, RowReader
from inhouse.data.typed import digest_of

if TYPE_CHECKING:
    import pyarrow as pa

BETWEEN = "\n\n"
# What people or models wrote; ids, roles and labels are none, nor what declares a tool.
TEXTS = ("title", "text", "content", "arguments")
TURNS: dict[Kind, tuple[str, ...]] = {
    "chats": ("messages",),
    "preferences": ("prompt", "chosen", "rejected"),
}


def whole_texts(rows: pa.Table, kind: Kind) -> pa.StringArray:
    """Return all that is said in each row as one text: of a chat, what its turns say."""
    import pyarrow.compute as pc

    if kind not in TURNS:
        return _flat(rows.column("text"))
    said = [_said(_flat(rows.column(name))) for name in TURNS[kind]]
    return said[0] if len(said) == 1 else pc.binary_join_element_wise(*said, BETWEEN)


def texts_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the id of each row in a folder, and all that is said in it."""
    with RowReader(folder) as reader:
        for rows in reader.all():
            texts = whole_texts(rows, reader.kind).to_pylist()
            yield from zip(rows.column("id").to_pylist(), texts, strict=True)


def parts_of_rows(rows: pa.Table) -> list[list[str]]:
    """Return each text in each row by itself: title, turn, what a tool is called with."""
    return [list(_parts(row, "")) for row in rows.to_pylist()]


def _parts(value: Any, name: str) -> Iterator[str]:  # noqa: ANN401 - of a row
    if isinstance(value, dict):
        for inner, part in value.items():
            yield from _parts(part, inner)
    elif isinstance(value, list):
        for part in value:
            yield from _parts(part, name)
    elif value and name in TEXTS:
        yield value


def with_texts(rows: pa.Table, change: Callable[[pa.StringArray], pa.StringArray]) -> pa.Table:
    """Return the rows with each text in them changed; `change` keeps number and order."""
    import pyarrow as pa

    columns = [
        _changed(_flat(rows.column(field.name)), field.name, change) for field in rows.schema
    ]
    return pa.Table.from_arrays(columns, schema=rows.schema)


def renewed(before: pa.Table, after: pa.Table) -> pa.Table:
    """Return rows with a digest of what they say now, where that is not what they said before.

    Else it would confirm a guess at what was masked.
    """
    import pyarrow as pa

    if "digest" not in after.column_names:
        return after
    said = [table.select(("title", "text")).to_pylist() for table in (before, after)]
    kept = after.column("digest").to_pylist()
    digests = [
        digest if new == old else digest_of(new)
        for old, new, digest in zip(*said, kept, strict=True)
    ]
    place = after.column_names.index("digest")
    return after.set_column(place, after.schema.field(place), pa.array(digests, pa.string()))


def _flat(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found.chunk(0) if hasattr(found, "num_chunks") else found


def _said(messages: pa.ListArray) -> pa.StringArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    contents = pc.struct_field(pc.list_flatten(messages), "content")
    return pc.binary_join(pa.ListArray.from_arrays(_offsets(messages), contents), BETWEEN)


def _changed(
    array: pa.Array, name: str, change: Callable[[pa.StringArray], pa.StringArray]
) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(array.type):
        values = _changed(pc.list_flatten(array), name, change)
        return pa.ListArray.from_arrays(_offsets(array), values, type=array.type)
    if pa.types.is_struct(array.type):
        fields = list(array.type)
        parts = [_changed(pc.struct_field(array, f.name), f.name, change) for f in fields]
        return pa.StructArray.from_arrays(parts, fields=fields)
    return change(array) if name in TEXTS else array


def _offsets(array: pa.ListArray) -> pa.Array:
    """Return where each list begins in the flattened values, also of a slice."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.cumulative_sum(pc.list_value_length(array))
    return pa.concat_arrays([pa.array([0], pa.int32()), lengths])
