"""Data sets and steps for tests, without a project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inhouse.catalog.rows import Kind, read_rows, write_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label
from inhouse.core.stage import Context, Result
from inhouse.data.account import DROPPED
from inhouse.data.curate import STAGE, Curate
from inhouse.data.recipe import read_step


def made(folder: Path, ref: str) -> Input:
    artifact = Artifact(
        ref=Ref.parse(ref), recipe="", code=1, params={}, parents=(), digest="", files={},
        label=Label.OPEN, created=datetime.now(UTC), actor="ana", seconds=0.0, summary={},
    )  # fmt: skip
    return Input(artifact, folder)


def data_set(
    folder: Path, rows: Iterable[Mapping[str, Any]], kind: Kind = "documents", ref: str = "data/raw"
) -> Input:
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(
        folder, kind, ({"modified": 0.0, **row} if kind == "documents" else row for row in rows)
    )
    return made(folder, ref)


def documents(folder: Path, texts: Iterable[str], ref: str = "data/raw") -> Input:
    return data_set(folder, ({"id": f"{n}.md", "text": t} for n, t in enumerate(texts)), ref=ref)


def curated(
    tmp_path: Path,
    source: Input,
    steps: Sequence[object],
    *more: Input,
    work: str = "work",
    on: str = "",
) -> tuple[Result, Path]:
    """Put a data set through steps; return the result and the folder it was made in."""
    folder = tmp_path / work
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {found.artifact.ref.path: found for found in (source, *more)}
    spec = Curate.of([read_step(step) for step in steps], [source.artifact.ref.path], on)
    return STAGE.run(spec, inputs, Context(folder, Actor("ana"))), folder


def kept(folder: Path) -> dict[str, str]:
    return {row["id"]: row["text"] for row in read_rows(folder, ["id", "text"])}


def dropped(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in read_rows(folder, file=DROPPED)}
