"""Cleans a folder of Parquet files with the product: the job of `bench.data`.

``python inhouse_clean.py IN OUT ALPHA``: the same rules, thresholds and kinds of copies as
``datatrove_clean.py``. OUT gets the files of the data set.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from inhouse.catalog.rows import FILE, RowWriter, schema
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label
from inhouse.core.stage import Context
from inhouse.data.curate import STAGE, Curate
from inhouse.data.recipe import read_step

NAME = "data/corpus"
SIMILARITY = 0.5


def read(source: Path, folder: Path) -> None:
    """Bring the files into a data set."""
    with RowWriter(folder / FILE, schema("documents")) as writer:
        for file in sorted(source.glob("*.parquet")):
            for batch in pq.ParquetFile(file).iter_batches(1000, columns=["id", "text"]):
                empty = pa.array([""] * batch.num_rows)
                columns = {name: empty for name in ("title", "digest", "part")}
                columns |= {name: batch[name].cast(pa.string()) for name in ("id", "text")}
                columns["modified"] = pa.array([0.0] * batch.num_rows)
                writer.write(pa.table(columns))


def main(source: Path, out: Path, alpha: float) -> None:
    """Do the whole job."""
    came, work = out / "came", out / "made"
    came.mkdir(parents=True)
    work.mkdir()
    read(source, came)
    fineweb = ("fewest_ended_lines", "most_short_lines", "most_repeated_characters")
    rules: dict[str, object] = {"preset": "web", "fewest_words_with_letters": alpha, "lines": True}
    rules |= {"fewest_sentences": 5, "most_line_breaks": None, **dict.fromkeys(fineweb)}
    # Of all that alike copies join only one stays, as there.
    near = {"similarity": SIMILARITY, "numbers": "fold", "chains": True}
    steps = [
        read_step({"quality": rules}),
        read_step({"dedup": "exact"}),
        read_step({"dedup": near}),
    ]
    artifact = Artifact(
        Ref.parse(NAME), "", 1, {}, (), "", {}, Label.OPEN, datetime.now(UTC), "bench", 0.0, {}
    )
    inputs = {NAME: Input(artifact, came)}
    STAGE.run(Curate.of(steps, [NAME]), inputs, Context(work, Actor("bench")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
