"""The stage that takes one part out of a data set that was split: ``data/gold/train``."""

from __future__ import annotations

from dataclasses import dataclass

from inhouse.catalog.rows import FILE, RowReader, RowWriter, schema
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.data.account import size
from inhouse.data.step import Batch


@dataclass(frozen=True, slots=True)
class Part:
    """Which part."""

    part: str


def run(spec: Part, inputs: Inputs, ctx: Context) -> Result:
    """Write the rows of that part of the one input, as they are."""
    import pyarrow.compute as pc

    (source,) = inputs.values()
    characters = 0
    with RowReader(source.folder) as reader:
        with RowWriter(ctx.work / FILE, schema(reader.kind)) as writer:
            for number, table in enumerate(reader.all(), 1):
                rows = table.filter(pc.equal(table.column("part"), spec.part)).combine_chunks()
                if rows.num_rows:
                    writer.write(rows)
                    characters += size(Batch(reader.kind, rows))
                ctx.progress(number, reader.groups, "batches")
        return Result({reader.kind: writer.rows, "skipped": 0, "characters": characters})


STAGE = Stage("data.part", 1, run)
