"""Checkpoints that are whole or not there: written aside, flushed, sealed, and only then named.

What lies in one is the business of who writes it. Of several the newest that is whole counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SEAL = "seal.json"
KEPT = 2
NAME = re.compile(r"step-(\d+)\Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint: the steps that lie behind it, and its folder."""

    step: int
    folder: Path


def commit(root: Path, step: int, write: Callable[[Path], None]) -> None:
    """Make the checkpoint of a step out of the files that `write` puts into a folder.

    Killed at any moment, it leaves the earlier ones as they were. The last `KEPT` are kept.
    """
    root.mkdir(exist_ok=True)
    aside, place = root / f"step-{step}.part", root / f"step-{step}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    write(aside)
    files = sorted(aside.iterdir())
    for file in files:
        _flush(file)
    (aside / SEAL).write_text(json.dumps({file.name: _digest(file) for file in files}))
    for path in (aside / SEAL, aside):
        _flush(path)
    shutil.rmtree(place, ignore_errors=True)  # one that is there is damaged, or it would count
    aside.rename(place)
    _flush(root)
    for _, old in _found(root)[:-KEPT]:
        shutil.rmtree(old)


def newest(root: Path) -> Checkpoint | None:
    """Return the newest checkpoint of which every byte is there; None if there is none."""
    for step, folder in reversed(_found(root)):
        if _is_whole(folder):
            return Checkpoint(step, folder)
    return None


def reached(root: Path) -> Checkpoint | None:
    """Return the newest sealed checkpoint without looking at its bytes; None if there is none."""
    sealed = [Checkpoint(*found) for found in _found(root) if (found[1] / SEAL).is_file()]
    return sealed[-1] if sealed else None


def _found(root: Path) -> list[tuple[int, Path]]:
    """Return steps and folders of all that bear the name of a checkpoint, the oldest first."""
    if not root.is_dir():
        return []
    named = ((NAME.match(path.name), path) for path in root.iterdir())
    return sorted((int(match[1]), path) for match, path in named if match)


def _is_whole(folder: Path) -> bool:
    try:
        sealed = json.loads((folder / SEAL).read_bytes())
        return all(_digest(folder / name) == digest for name, digest in sealed.items())
    except (FileNotFoundError, ValueError, AttributeError):
        return False


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Have a file, or the names in a folder, written to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
