"""Starts the processes of a run, on this machine or on those of a Ray cluster, and sees them end.

What they do together is the business of `processes` and of the stage.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from inhouse.core.stage import Context, Inputs, Progress, Result
from inhouse.train.processes import FOLDER, JOB, RESULT, failure, follow, job_of
from inhouse.train.ray_cluster import train_on

PATIENCE = 20.0
"""Seconds that processes have to end by themselves."""
GIVES_BACK: Mapping[str, str] = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
"""Else the C library keeps the memory of layers that were whole for a while."""


def spread(stage: str, spec: Any, inputs: Inputs, ctx: Context) -> Result:  # noqa: ANN401
    """Have several processes do what `run` of the module `stage` does in one.

    Args:
        stage: the module's name.
        spec: a dataclass with `processes` and `batch`.
        inputs: what the stage is given.
        ctx: likewise; all processes work in its folder.

    Raises:
        BadInput: what the stage raises, in any of the processes.
        InhouseError: a process ended before its time.
    """
    folder = ctx.work / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / JOB).write_text(job_of(stage, spec, inputs, ctx), encoding="utf-8")
    if spec.processes.on:
        needed = [one.folder for one in inputs.values()]
        train_on(spec.processes, spec.batch, folder, needed, ctx.progress)
    else:
        given = GIVES_BACK if spec.processes.shard else {}
        _train_here(spec.processes.among(spec.batch), folder, ctx.progress, given)
    told = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    left = (file for file in sorted(folder.rglob("*")) if file.is_file())
    names = (file.relative_to(ctx.work).as_posix() for file in left)
    return Result(told["summary"], scratch=(*told["scratch"], *names))


def _train_here(count: int, folder: Path, progress: Progress, given: Mapping[str, str]) -> None:
    """Run so many processes on this machine, by torchrun's launcher, and see them end.

    They end when the pipe to them does, so however this process goes nothing is left running.
    """
    threads = str(max(1, (os.cpu_count() or 1) // count))
    with (folder / "launch.log").open("wb") as log:
        launcher = subprocess.Popen(
            [sys.executable, "-P", "-m", "inhouse.train.torchrun", str(count), str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in a terminal is for this process, which tells them
            env={"OMP_NUM_THREADS": threads, **given, **os.environ},
        )
    assert launcher.stdin is not None
    try:
        follow(folder, progress, lambda: launcher.poll() is not None)
    finally:
        _end(launcher)
    if launcher.returncode or not (folder / RESULT).is_file():
        said = (folder / "launch.log").read_text(encoding="utf-8", errors="replace").strip()
        raise failure(folder, said.rpartition("\n")[2])


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """End the processes, if they go on, and wait for it."""
    assert launcher.stdin is not None
    with suppress(OSError):
        launcher.stdin.close()
    if launcher.poll() is None:
        launcher.send_signal(signal.SIGTERM)
        try:
            launcher.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            launcher.kill()
            launcher.wait()
