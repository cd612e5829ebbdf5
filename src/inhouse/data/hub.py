"""The stage that takes a data set from the Hugging Face hub, with a ledger of what it left out.

Which of its files are fetched is the business of `hub_files`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inhouse.catalog.rows import Kind
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.data.collect import Ledger, filled, rows_of
from inhouse.data.hub_files import HubSet, fetch
from inhouse.data.parts import LeftOut
from inhouse.data.reading import Reading, reading_of, shape_in

FOLDER = "hub"


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set of the hub, its commit pinned by the URL; and its kind and schema, if given.

    If it is `strict`, a row that would be left out stops it.
    """

    url: str
    kind: Kind | None = None
    schema: tuple[tuple[str, str], ...] = ()
    strict: bool = field(default=False, metadata={"identity": False})

    def __post_init__(self) -> None:
        HubSet.parse(self.url)


def run(spec: Hub, inputs: Inputs, ctx: Context) -> Result:
    """Write the rows in ``rows.parquet`` and what was left out in ``ledger.jsonl``.

    Files that were fetched before a run was cut off are not fetched again.

    Raises:
        BadInput: there is no such data set, or its columns do not tell what they hold.
        ProviderError: the hub cannot be reached.
        UserError: a row would be left out, and `spec` is strict.
    """
    folder, source = ctx.work / FOLDER, HubSet.parse(spec.url)
    fetched = fetch(source, folder, progress=ctx.progress)
    files = list(fetched.files.values())
    how = reading_of(files, kind=spec.kind, given=dict(spec.schema), sections=False)
    found = ((path, _rows(path, file, how)) for path, file in fetched.files.items())
    counts = filled(ctx.work, how.kind, found, Ledger(spec.strict))
    shutil.rmtree(folder)
    return Result({**counts, "read as": how.shown, "licence": fetched.licence})


def _rows(path: str, file: Path, how: Reading) -> Iterator[dict[str, Any] | LeftOut]:
    with file.open("rb") as table:
        yield from rows_of(path, table, shape_in(path, table, how))


STAGE = Stage("data.hub", 1, run)
