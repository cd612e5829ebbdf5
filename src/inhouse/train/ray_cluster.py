"""Training on the machines of a Ray cluster: the same processes, started by Ray Train.

What they read and write lies on a path that all machines share; that they do is looked at first.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inhouse.core.cluster import check_machines, connected, last_words, working_machines
from inhouse.core.errors import InhouseError
from inhouse.core.stage import Progress
from inhouse.train.processes import JOB, RESULT, Processes, check_even, failure, follow, most

ALIVE = "alive.json"
SILENCE = 120.0
"""Seconds after which the processes end if nobody follows them."""
LOOKS = 2.0


def train_on(
    processes: Processes, rows: int, folder: Path, needed: Sequence[Path], progress: Progress
) -> None:
    """Have the job in `folder` done on the cluster, and see it end.

    Args:
        processes: how many, and on which cluster.
        rows: rows of a step.
        folder: where the job lies.
        needed: other folders that are read.
        progress: told of each step.

    Raises:
        MissingExtra: Ray is not installed.
        BadInput: the cluster is not there, a machine does not see the folders, or the rows cannot
            be shared out evenly.
        InhouseError: a process ended before its time.
    """
    with connected(processes.on, "Training on several machines") as ray:
        machines = working_machines(ray)
        job = (folder / JOB).read_text(encoding="utf-8")
        paths = [str(one.resolve()) for one in (folder, *needed)]
        check_machines(ray, machines, missing, (paths, job), "train and ray")
        count, held = _shares(processes, rows, [one["Resources"] for one in machines])
        _fit(ray, count, held, folder.resolve(), progress)


def missing(paths: Sequence[str], job: str) -> str:
    """Return the first of some folders that is not here, or not the same; "" if all are."""
    for path in paths:
        if not Path(path).is_dir():
            return path
    found = Path(paths[0], JOB)
    same = found.is_file() and found.read_text(encoding="utf-8") == job
    return "" if same else paths[0]


def _shares(
    processes: Processes, rows: int, machines: Sequence[dict[str, float]]
) -> tuple[int, dict[str, float]]:
    """Return how many processes there are, and what each holds of its machine."""
    gpus = sum(int(one.get("GPU", 0)) for one in machines)
    if processes.count is None:
        count = most(gpus or len(machines), rows)
    else:
        check_even(processes.count, rows)
        count = processes.count
    if gpus:
        return count, {"CPU": 1, "GPU": 1}
    each = -(-count // len(machines))
    return count, {"CPU": max(1, int(min(one["CPU"] for one in machines) // each))}


def _fit(
    ray: Any,  # noqa: ANN401
    count: int,
    held: dict[str, float],
    folder: Path,
    progress: Progress,
) -> None:
    # A task starts the training, so that it does not matter on which machine this process is.
    task = ray.remote(num_cpus=0, max_retries=0)(_started).remote(count, held, str(folder))
    beats = 0

    def ended() -> bool:
        nonlocal beats
        beats += 1
        (folder / ALIVE).write_text(str(beats), encoding="utf-8")
        return bool(ray.wait([task], timeout=0)[0])

    follow(folder, progress, ended)
    try:
        ray.get(task)
    except ray.exceptions.OutOfMemoryError:
        raise failure(folder, "a machine of the cluster ran out of memory") from None
    except ray.exceptions.RayError as error:
        raise failure(folder, last_words(error)) from None
    if not (folder / RESULT).is_file():
        raise InhouseError("The training left no result.", "Run it again.")


def _started(count: int, held: dict[str, float], folder: str) -> None:
    """Start the processes on the cluster and wait for them."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpu = "GPU" in held
    TorchTrainer(
        _take_part,
        train_loop_config={"folder": folder, "threads": int(held["CPU"])},
        scaling_config=ScalingConfig(
            num_workers=count, use_gpu=gpu, resources_per_worker=held, placement_strategy="SPREAD"
        ),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        run_config=RunConfig(name="run", storage_path=f"{folder}/ray"),
    ).fit()


def _take_part(config: dict[str, Any]) -> None:  # Ray gives none to a parameter with a default
    import torch

    from inhouse.train.rank import take_part

    folder = Path(config["folder"])
    threading.Thread(target=_watch, args=(folder,), daemon=True).start()
    torch.set_num_threads(config["threads"])
    if not take_part(folder):
        raise RuntimeError("this process has failed")


def _watch(folder: Path) -> None:
    """End this process when another run has taken its folder, or nobody follows any more."""
    job, beat, since = _read(folder / JOB), "", time.monotonic()
    while _read(folder / JOB) == job:
        now = _read(folder / ALIVE)
        if now != beat:
            beat, since = now, time.monotonic()
        if time.monotonic() - since > SILENCE:
            break
        time.sleep(LOOKS)
    os._exit(1)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
