"""Training on the machines of a Ray cluster: the same processes, started by Ray Train.

What they read and write lies on a path that all machines share; that they do is looked at first.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inhouse.core.errors import BadInput, InhouseError, MissingExtra
from inhouse.core.stage import Progress
from inhouse.train.processes import JOB, RESULT, Processes, check_even, failure, follow, most

ALIVE = "alive.json"
SILENCE = 120.0
"""Seconds after which the processes end if nobody follows them."""
ANSWER = 120.0
"""Seconds that each machine has to say what it sees."""
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
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        _connect(processes.on)
    try:
        machines = [one for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU")]
        _check_shared(machines, [folder, *needed])
        count, held = _shares(processes, rows, [one["Resources"] for one in machines])
        _fit(count, held, folder.resolve(), progress)
    finally:
        if ours:
            ray.shutdown()


def _ray() -> Any:  # noqa: ANN401
    if find_spec("ray") is None:
        raise MissingExtra("Training on several machines", "ray")
    return import_module("ray")


def _connect(address: str) -> None:
    ray = _ray()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it says what the error says
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BadInput(
            f"No Ray cluster answers at {address}: {_words(error)}.",
            "Start one there with 'ray start --head', or correct 'on'; if it asks for a token, set "
            "RAY_AUTH_MODE=token here too.",
        ) from None


def _check_shared(machines: Sequence[dict[str, Any]], folders: Sequence[Path]) -> None:
    """Make sure that all machines see the same folders, and have this program.

    Raises:
        BadInput: one does not.
    """
    ray, strategies = _ray(), import_module("ray.util.scheduling_strategies")
    job = (folders[0] / JOB).read_text(encoding="utf-8")
    paths = [str(folder.resolve()) for folder in folders]
    for machine in machines:
        place = strategies.NodeAffinitySchedulingStrategy(machine["NodeID"], soft=False)
        task = ray.remote(num_cpus=0, scheduling_strategy=place)(missing).remote(paths, job)
        name = machine["NodeManagerAddress"]
        try:
            unseen = ray.get(task, timeout=ANSWER)
        except (ray.exceptions.RayError, ImportError, RuntimeError) as error:
            raise BadInput(
                f"Machine {name} of the cluster cannot run this program: {_words(error)}.",
                "Install the same version there, with the extras train and ray.",
            ) from None
        if unseen:
            raise BadInput(
                f"Machine {name} of the cluster does not see {unseen}.",
                "Put 'store' on a path that all machines share under the same name.",
            )


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


def _fit(count: int, held: dict[str, float], folder: Path, progress: Progress) -> None:
    ray = _ray()
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
        raise failure(folder, _words(error)) from None
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


def _words(error: BaseException) -> str:
    """Return the last thing that an error says."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (said or [type(error).__name__])[-1].rstrip(".")
