"""Cleans a folder of Parquet files with datatrove, in its own environment: the job of `bench.data`.

``python datatrove_clean.py IN OUT WORKERS ALPHA``: quality rules, exact and near-duplicates. OUT
gets ``judged`` (what went, by filter, as JSON lines) and ``kept`` (what stays, as Parquet).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    ExactDedupConfig,
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import (
    C4QualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.readers import JsonlReader, ParquetReader
from datatrove.pipeline.writers import JsonlWriter, ParquetWriter

BANDS = 16


def content(document: Document) -> str:
    """Return what is compared in exact deduplication."""
    return str(document.text)


def main(source: str, out: Path, workers: int, alpha: float) -> None:
    """Do the whole job."""
    files = len(list(Path(source).glob("*.parquet")))

    def stage(name: str, *steps: Any, tasks: int = files) -> None:  # noqa: ANN401
        LocalPipelineExecutor(
            pipeline=list(steps), tasks=tasks, workers=min(workers, tasks),
            logging_dir=str(out / "logs" / name), skip_completed=False, start_method="fork",
        ).run()  # fmt: skip

    def judged(name: str) -> JsonlWriter:
        return JsonlWriter(str(out / "judged" / name), compression=None)

    quality, single = str(out / "quality"), str(out / "single")
    stage(
        "quality",
        ParquetReader(source, glob_pattern="*.parquet"),
        GopherRepetitionFilter(exclusion_writer=judged("repetition")),
        GopherQualityFilter(max_non_alpha_words_ratio=alpha, exclusion_writer=judged("gopher")),
        C4QualityFilter(
            filter_no_terminal_punct=False, filter_curly_bracket=False, filter_javascript=False,
            exclusion_writer=judged("c4"),
        ),
        JsonlWriter(quality, compression=None),
    )  # fmt: skip
    exact = ExactDedupConfig(content_getter=content)
    signatures, doubles = str(out / "exact"), str(out / "doubles")
    stage("exact1", JsonlReader(quality), ExactDedupSignature(signatures, config=exact))
    stage("exact2", ExactFindDedups(signatures, doubles, config=exact), tasks=1)
    stage(
        "exact3",
        JsonlReader(quality),
        ExactDedupFilter(doubles, config=exact, exclusion_writer=judged("exact")),
        JsonlWriter(single, compression=None),
    )
    near = MinhashConfig(n_grams=5, num_buckets=BANDS, hashes_per_bucket=8)
    hashes, buckets, clusters = (str(out / name) for name in ("hashes", "buckets", "clusters"))
    stage("near1", JsonlReader(single), MinhashDedupSignature(hashes, config=near))
    stage("near2", MinhashDedupBuckets(hashes, buckets, config=near), tasks=BANDS)
    stage("near3", MinhashDedupCluster(buckets, clusters, config=near), tasks=1)
    stage(
        "near4",
        JsonlReader(single),
        MinhashDedupFilter(clusters, exclusion_writer=judged("near")),
        ParquetWriter(str(out / "kept")),
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
