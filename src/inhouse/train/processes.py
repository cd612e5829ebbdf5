"""A stage that several processes do together, on this machine or on those of a Ray cluster.

They share the stage's work folder: in it they find what to do and leave what came of it, and each
keeps what it had to say. What they do is the stage's own `run`; they differ by their rank alone.
"""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.errors import BadInput, InhouseError
from inhouse.core.label import Label
from inhouse.core.stage import Context, Inputs, Progress
from inhouse.train.stopping import STOP, Stopping

FOLDER = "processes"
JOB, RESULT, ERROR, PROGRESS, ENDED = (
    f"{name}.json" for name in ("job", "result", "error", "progress", "ended")
)
LOOKS = 0.2
"""Seconds between two looks at how far the processes are."""


@dataclass(frozen=True, slots=True)
class Processes:
    """How many processes train together, and where; nothing of it decides the result.

    Args:
        count: how many. Without it one for each GPU, as far as rows of a step can be shared out
            evenly; where no GPU is, one on this machine, or one for each machine of a cluster.
        on: the Ray cluster, ``ray://host:port``; without it this machine.
        shard: whether each holds a part of the model, and not all of it.
    """

    count: int | None = None
    on: str = ""
    shard: bool = False

    def among(self, rows: int) -> int:
        """Return by how many the rows of a step are shared out on this machine.

        Raises:
            BadInput: they cannot be shared out evenly.
        """
        if self.count is None:
            import torch

            return most(torch.cuda.device_count(), rows)
        check_even(self.count, rows)
        return self.count


def most(wanted: int, rows: int) -> int:
    """Return the largest number up to `wanted`, at least 1, that shares out rows evenly."""
    return next(n for n in range(max(1, min(wanted, rows)), 0, -1) if rows % n == 0)


def check_even(count: int, rows: int) -> None:
    """Make sure that each process has as many rows of a step as any other.

    Raises:
        BadInput: it has not.
    """
    if rows % count:
        raise BadInput(
            f"{rows} rows of a step cannot be shared out evenly among {count} processes.",
            f"Set 'batch' to a multiple of {count}, or 'processes' to {most(count, rows)}.",
        )


def is_shared(processes: Processes, rows: int) -> bool:
    """Say whether a step of so many rows is taken by other processes than this one.

    Raises:
        BadInput: its rows cannot be shared out evenly.
    """
    return bool(processes.on) or processes.among(rows) > 1


def job_of(stage: str, spec: Any, inputs: Inputs, ctx: Context) -> str:  # noqa: ANN401
    """Return as JSON what each of the processes has to do."""
    alone = replace(spec, processes=replace(spec.processes, count=1, on=""))
    return json.dumps(
        {
            "stage": stage,
            "spec": asdict(alone),
            "inputs": {
                role: {
                    "ref": one.artifact.ref.pinned,
                    "label": str(one.artifact.label),
                    "summary": dict(one.artifact.summary),
                    "folder": str(one.folder.resolve()),
                }
                for role, one in inputs.items()
            },
            "id": uuid.uuid4().hex,
            "work": str(ctx.work.resolve()),
            "seed": ctx.seed,
        }
    )


def inputs_of(job: Mapping[str, Any]) -> dict[str, Input]:
    """Return the inputs of a job, with as much of each as a stage that trains looks at."""
    return {role: _input(one) for role, one in job["inputs"].items()}


def _input(told: Mapping[str, Any]) -> Input:
    artifact = Artifact(
        ref=Ref.parse(told["ref"]), recipe="", code=0, params={}, parents=(), digest="", files={},
        label=Label.parse(told["label"]), created=datetime.fromtimestamp(0, UTC), actor="",
        seconds=0.0, summary=told["summary"],
    )  # fmt: skip
    return Input(artifact, Path(told["folder"]))


def follow(folder: Path, progress: Progress, ended: Callable[[], bool]) -> None:
    """Pass on how far the first process says it is, until `ended`.

    Raises:
        KeyboardInterrupt: a signal asked for it; the processes have kept their last step.
    """
    last: list[Any] = []
    over, stopping = False, Stopping()
    with stopping.heard():
        while not over:
            over = ended()
            if stopping.asked:
                (folder / STOP).touch()
            with suppress(FileNotFoundError):
                now = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
                if now != last:
                    progress(*now)
                    last = now
            if not over:
                time.sleep(LOOKS)
    if stopping.asked and not (folder / RESULT).is_file():
        raise KeyboardInterrupt


def failure(folder: Path, last: str) -> InhouseError:
    """Return why the processes ended before their time: what the first that failed said last.

    If none of them said anything, it is what their starter said `last`.
    """
    with suppress(FileNotFoundError):
        told = json.loads((folder / ERROR).read_text(encoding="utf-8"))
        return (BadInput if told["user"] else InhouseError)(told["what"], told["fix"])
    codes: dict[int, int] = {}
    with suppress(FileNotFoundError):
        told = json.loads((folder / ENDED).read_text(encoding="utf-8"))
        codes = {int(rank): code for rank, code in told.items()}
    killed = [rank for rank, code in codes.items() if code < 0 and code != -signal.SIGTERM]
    if killed:
        name = signal.Signals(-codes[killed[0]]).name
        what = f"Number {killed[0]} of the processes that train was ended by {name}."
        return InhouseError(what, "Run it again: it goes on from its last checkpoint.")
    which, said = "One", last
    if words := sorted(folder.glob("crash-*.txt"), key=lambda file: file.stat().st_mtime_ns):
        which = f"Number {words[0].stem.removeprefix('crash-')}"
        said = words[0].read_text(encoding="utf-8")
    what = f"{which} of the processes that train has failed: {said.rstrip('.')}."
    return InhouseError(what, f"Look into {folder}; what was learnt is in its last checkpoint.")
