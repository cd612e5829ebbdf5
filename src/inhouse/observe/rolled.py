"""Rolled days: the traces of one day as a Parquet file, by time.

Which rows go in, and what becomes of the files that they came from, is said in
`inhouse.observe.roll`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inhouse.observe.rows import Row
from inhouse.observe.wanted import Wanted

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

FILE = "traces.parquet"
GROUP_ROWS = 5_000
REPEATING = ["actor", "endpoint", "model", "state", "label", "sources"]


def write(path: Path, rows: Iterable[Row]) -> int:
    """Write rows to a file; return how many there were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {name: pa.float64() if name == "at" else pa.string() for name in Row._fields}
    schema = pa.schema([pa.field(name, kind, nullable=False) for name, kind in kinds.items()])
    coming, count = iter(rows), 0
    with pq.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=REPEATING, write_statistics=["at"]
    ) as writer:
        while group := list(islice(coming, GROUP_ROWS)):
            columns = zip(*group, strict=True)
            arrays = [pa.array(c, kind) for c, kind in zip(columns, kinds.values(), strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(group)
    return count


def opened(path: Path) -> ParquetFile:
    """Open a file for reading; it can be read to its end, also when it is removed meanwhile.

    Raises:
        FileNotFoundError: it was removed before.
    """
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path)


def read(file: ParquetFile, wanted: Wanted, *, newest_first: bool = True) -> Iterator[Row]:
    """Yield the wanted rows of a file by time. What is not wanted is hardly read."""
    condition = wanted.expression()
    numbers = range(file.num_row_groups)
    for number in reversed(numbers) if newest_first else numbers:
        times = file.metadata.row_group(number).column(Row._fields.index("at")).statistics
        if not wanted.covers(times.min, times.max):
            continue
        places = _places(file, number, condition)
        if not places:
            continue
        found = file.read_row_group(number, use_threads=False).take(places)
        rows = [Row(*values) for values in zip(*found.to_pydict().values(), strict=True)]
        yield from reversed(rows) if newest_first else rows


def _places(file: ParquetFile, number: int, condition: Any) -> list[int]:  # noqa: ANN401
    """Return which rows of a group are wanted, without reading what is in them."""
    import pyarrow as pa

    table = file.read_row_group(number, columns=list(Row._fields[:-1]), use_threads=False)
    place = pa.array(range(table.num_rows), pa.int64())
    kept = table.append_column("place", place).filter(condition)
    return list(kept.column("place").to_pylist())
