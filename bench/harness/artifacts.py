"""Folders as stages are given them, without a store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label


def opened(folder: Path, ref: str, summary: Mapping[str, object] | None = None) -> Input:
    """Return a folder as a stage is given it."""
    artifact = Artifact(
        ref=Ref.parse(ref), recipe="bench", code=1, params={}, parents=(), digest="", files={},
        label=Label.OPEN, created=datetime.now(UTC), actor="bench", seconds=0.0,
        summary=summary or {},
    )  # fmt: skip
    return Input(artifact, folder)
