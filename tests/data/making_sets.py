"""Data sets for tests: rows in a folder, as if the catalog had opened them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inhouse.catalog.rows import Kind, write_rows
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label


def kept(folder: Path, params: Mapping[str, Any] | None = None) -> Input:
    """Return a folder as the input of a stage."""
    artifact = Artifact(
        ref=Ref("data", folder.name), recipe="data.collect", code=1, params=params or {},
        parents=(), digest="", files={}, label=Label.OPEN, created=datetime.now(UTC), actor="ana",
        seconds=0.0, summary={},
    )  # fmt: skip
    return Input(artifact, folder)


def rows_in(folder: Path, kind: Kind, rows: Iterable[Mapping[str, Any]]) -> Input:
    """Write rows, which are given ids where they have none."""
    folder.mkdir()
    write_rows(folder, kind, ({"id": str(n), **row} for n, row in enumerate(rows)))
    return kept(folder)


def examples(folder: Path, pairs: Iterable[tuple[str, str]]) -> Input:
    """Write texts with labels."""
    return rows_in(folder, "examples", ({"text": t, "label": label} for t, label in pairs))


def real(name: str) -> Path:
    """Return a file or folder of the real data; without any, the test is skipped."""
    if "INHOUSE_DATA" not in os.environ:
        pytest.skip("INHOUSE_DATA names no folder of real data")
    return Path(os.environ["INHOUSE_DATA"], name)


def banking() -> list[tuple[str, str]]:
    """Return the training questions of banking77 with their intents."""
    with (real("banking77") / "train.csv").open(encoding="utf-8") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]
