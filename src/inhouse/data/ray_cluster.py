"""Rows go through steps on the machines of a Ray cluster, batch by batch, each a task of Ray's.

Batches travel both ways through Ray, so machines share no folder, unless a step refers to others.
A task that is lost with its machine is done again by Ray on another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from inhouse.core.artifact import Input
from inhouse.core.cluster import check_machines, last_words, working_machines
from inhouse.core.errors import InhouseError
from inhouse.data.chain import Chain, Left
from inhouse.data.recipe import Step, require, restored
from inhouse.data.step import Batch, Given, RowStep, WholeStep, must_look

NEEDED_FOR = "Cleaning data on several machines"
EACH = 2
"""So many batches are under way for each processor: one is judged while the next one travels."""
MOST = 128
"""So many batches are under way at once, however large the cluster is."""


@dataclass(frozen=True)
class Job:
    """What a machine needs to start the steps itself; two are the same if their `id` is.

    `files` are what steps keep in their folder, such as a key.
    """

    id: str
    steps: Sequence[Mapping[str, Any]] = field(compare=False)
    inputs: Mapping[str, Input] = field(compare=False)
    seed: int = field(compare=False)
    files: Mapping[str, bytes] = field(compare=False)

    @classmethod
    def of(cls, steps: Sequence[Step], given: Given) -> Job:
        """Return the job of steps that were started here."""
        wanted = {ref for step in steps if not step.learns for ref in step.refs}
        inputs = {
            ref: Input(one.artifact, one.folder.resolve())
            for ref, one in given.inputs.items()
            if ref in wanted
        }
        files = {file.name: file.read_bytes() for file in given.folder.iterdir() if file.is_file()}
        return cls(uuid4().hex, [step.plain for step in steps], inputs, given.seed, files)


class Cluster:
    """A cluster that is ready to send batches through steps."""

    def __init__(self, ray: Any, steps: Sequence[Step], given: Given) -> None:  # noqa: ANN401
        """Make sure that all machines can do the steps.

        Raises:
            BadInput: one cannot.
        """
        job, machines = Job.of(steps, given), working_machines(ray)
        check_machines(ray, machines, unseen, (job,), "data and ray")
        self._ray, self._job, self._task = ray, ray.put(job), ray.remote(through)
        processors = sum(int(one["Resources"]["CPU"]) for one in machines)
        self.threads = min(MOST, EACH * processors)
        """From so many threads batches are sent."""
        self._going: set[Any] = set()

    def stop(self) -> None:
        """End what is under way."""
        for task in list(self._going):
            with suppress(self._ray.exceptions.RayError, ConnectionError):  # it may be gone
                self._ray.cancel(task, force=True)

    def through(self, places: Sequence[int], looking: int | None) -> Callable[[Batch], Left]:
        """Return what sends a batch through some steps; it is called from several threads.

        It raises InhouseError if that fails there, or the cluster is gone.
        """
        ray = self._ray

        def sent(batch: Batch) -> Left:
            try:
                task = self._task.remote(self._job, ray.put(batch), places, looking)
                self._going.add(task)
                left: Left = ray.get(task)
                self._going.discard(task)
            except (ray.exceptions.RayError, ConnectionError) as error:
                raise InhouseError(
                    f"The steps have failed on the cluster: {last_words(error)}.",
                    "Run it again: it goes on with the batches that are missing.",
                ) from None
            return left

        return sent


def unseen(job: Job) -> str:
    """Return the first folder that steps refer to and that is not here; "" if all are.

    Raises:
        MissingExtra: a package that a step needs is not installed here.
        RuntimeError: a step is another one here.
    """
    steps = [restored(plain) for plain in job.steps]
    for step, plain in zip(steps, job.steps, strict=True):
        if step.plain != plain:
            raise RuntimeError(f"its step {step.name!r} is of another version")
    require(steps)
    folders = (one.folder for one in job.inputs.values())
    return next((str(folder) for folder in folders if not folder.is_dir()), "")


def through(job: Job, batch: Batch, places: Sequence[int], looking: int | None) -> Left:
    """Send a batch through some steps of a job, by their places."""
    steps = []
    for place in places:
        step = _started(job, place)
        assert not must_look(step)
        steps.append((place, job.steps[place]["step"], step))
    looks = None if looking is None else _started(job, looking)
    assert looks is None or must_look(looks)
    return Chain(steps, looks).through(batch)


@cache
def _started(job: Job, place: int) -> RowStep | WholeStep:
    """Start a step, once in a process."""
    step = restored(job.steps[place])
    with TemporaryDirectory() as folder:
        for name, held in job.files.items():
            Path(folder, name).write_bytes(held)
        return step.module.start(step.settings, Given(job.inputs, job.seed, Path(folder)))
