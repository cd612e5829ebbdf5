"""The stage that puts the rows of several data sets together."""

from __future__ import annotations

from dataclasses import dataclass

from inhouse.catalog.rows import FILE, RowWriter, schema
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.data.account import size
from inhouse.data.source import sourced


@dataclass(frozen=True, slots=True)
class Combine:
    """Nothing to choose: the inputs say it all."""


def run(spec: Combine, inputs: Inputs, ctx: Context) -> Result:
    """Write the rows of all inputs, by role; each id gets its data set's name in front.

    Raises:
        BadInput: the inputs are of several kinds.
    """
    characters = 0
    with sourced(inputs, named=True) as source:
        with RowWriter(ctx.work / FILE, schema(source.kind)) as writer:
            for number in range(source.batches):
                batch = source.batch(number)
                writer.write(batch.rows)
                characters += size(batch)
                ctx.progress(number + 1, source.batches, "batches")
        return Result({source.kind: writer.rows, "skipped": 0, "characters": characters})


STAGE = Stage("data.combine", 2, run)
