"""The stage that makes a classifier small: it climbs a ladder and keeps one rung.

Each rung learns from the examples, and from what the teacher says of them and of variants of them.
The smallest that keeps to the budget on a development split is the choice; test texts, which no
rung was chosen by, then say once whether it holds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inhouse.compress import front
from inhouse.compress.given import ENCODER, EXAMPLES, TEACHER, TEST, TEXTS, divided, lessons
from inhouse.compress.judging import Loss, Right, loss
from inhouse.compress.rungs import Ground, Rung, ladder
from inhouse.compress.settled import opened, settled, size
from inhouse.compress.timing import Pace, paces
from inhouse.core.artifact import Input
from inhouse.core.protocols import Classifier
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.examples import Examples
from inhouse.models.small import Floats

__all__ = ["ENCODER", "EXAMPLES", "TEACHER", "TEST", "TEXTS", "Compress", "stage"]

REPORT, PICTURE = "report.json", "front.png"
RUNGS, DONE = "rungs", "settled.json"
MEGABYTE = 1e6
Opener = Callable[[Input], AbstractContextManager[Classifier]]


@dataclass(frozen=True, slots=True)
class Compress:
    """What it may cost, and how much is learnt.

    Args:
        points: the points of accuracy that may be lost, the lower end of the interval included.
        p95_ms: milliseconds that 95 of 100 texts may take, each asked alone; None for any.
        mb: megabytes that all files together may have; None for any.
        all: try every rung, for the report, and not only until one keeps to the budget.
        passes: how often a student learns from each text.
        most: texts that it learns from at most, repetitions counted.
        variants: new texts that the teacher is asked about, for each example.
    """

    points: float = 1.0
    p95_ms: float | None = None
    mb: float | None = None
    all: bool = False
    passes: int = 12
    most: int = 480_000
    variants: float = 4.0


@dataclass(frozen=True, slots=True)
class Tried:
    """A rung that was made: where it lies, and what the development split says of it."""

    name: str
    folder: Path
    bytes: int
    accuracy: float
    lost: Loss
    pace: Pace
    abstains: Mapping[str, float]

    def within(self, spec: Compress, lost: Loss) -> bool:
        """Say whether it keeps to the budget, if that is what it loses."""
        return lost.low >= -spec.points and self.fits(spec)

    def fits(self, spec: Compress) -> bool:
        """Say whether it keeps to the budget of size and time."""
        small = spec.mb is None or self.bytes <= spec.mb * MEGABYTE
        return small and (spec.p95_ms is None or self.pace.p95_ms <= spec.p95_ms)

    def told(self) -> dict[str, Any]:
        """Return what a report says of it."""
        return {
            "name": self.name, "bytes": self.bytes, "accuracy": self.accuracy,
            **asdict(self.lost), **asdict(self.pace),
        }  # fmt: skip


def stage(opener: Opener) -> Stage:
    """Return the stage; `opener` opens the teacher.

    Its inputs are ``teacher``; ``encoder``, a folder with what the teacher was built from;
    ``examples``, what the teacher learnt from; ``test``, examples that it did not, without which
    half of what the teacher held out judges; and, if there are any, ``texts`` without labels.
    """

    def run(spec: Compress, inputs: Inputs, ctx: Context) -> Result:
        with opener(inputs[TEACHER]) as teacher:
            return _run(spec, inputs, ctx, teacher)

    return Stage("compress.classifier", 4, run)


def _run(spec: Compress, inputs: Inputs, ctx: Context, teacher: Classifier) -> Result:
    own, dev, test = divided(inputs, teacher.classes)
    learnt = lessons(inputs, own, teacher, made_up=spec.variants, seed=ctx.seed)
    encoder = inputs[ENCODER].folder
    samples = min(spec.passes * len(learnt.texts), spec.most)
    ground = Ground(encoder, teacher.classes, own.texts, learnt, samples, ctx.seed)
    tried = _climbed(spec, ground, dev, teacher, ctx)
    chosen = _chosen(spec, tried)
    small = opened(chosen.folder)
    judged = _judged(small, teacher, test)
    pace = paces([teacher], dev.texts)[0]
    whole = {
        "name": "teacher", "bytes": size(inputs[TEACHER].folder), "points": 0.0, "low": 0.0,
        "high": 0.0, "accuracy": _share(_right(dev, teacher.classify(dev.texts))), **asdict(pace),
    }  # fmt: skip
    rungs = front.marked([*(one.told() for one in tried), whole])
    summary = {
        "kind": "classifier",
        "form": chosen.name,
        **judged,
        "within": chosen.within(spec, Loss(**judged["loss"])),
        "bytes": chosen.bytes,
        "teacher_bytes": whole["bytes"],
        "p50_ms": chosen.pace.p50_ms,
        "p95_ms": chosen.pace.p95_ms,
        "abstains": dict(chosen.abstains),
        "texts": len(own.texts),
        "made_up": len(learnt.texts) - len(own.texts),
        "development": {"texts": len(dev.texts), "rungs": rungs},
    }
    _kept(chosen.folder, ctx.work)
    (ctx.work / REPORT).write_text(json.dumps(summary, indent=2), encoding="utf-8")
    front.draw(rungs, chosen.name, ctx.work / PICTURE)
    return Result(summary)


def _climbed(
    spec: Compress, ground: Ground, dev: Examples, teacher: Classifier, ctx: Context
) -> list[Tried]:
    """Make one rung after the other, until one keeps to the budget or there are no more.

    What is known to be too large is not made.
    """
    by_teacher = _right(dev, teacher.classify(dev.texts))
    most = float("inf") if spec.mb is None or spec.all else spec.mb * MEGABYTE
    rungs = [rung for rung in ladder(ground.encoder) if rung.least <= most]
    tried = list[Tried]()
    for number, rung in enumerate(rungs):

        def progress(done: int, total: int, unit: str, past: int = number) -> None:
            ctx.progress(past * total + done, len(rungs) * total, unit)

        folder = ctx.work / RUNGS / str(number)
        abstains = _made(rung, ground, folder, dev, progress)
        small = opened(folder)
        right = _right(dev, small.classify(dev.texts))
        pace, _ = paces([small, teacher], dev.texts)
        lost = loss(right, by_teacher)
        tried.append(Tried(rung.name, folder, size(folder), _share(right), lost, pace, abstains))
        if tried[-1].within(spec, lost) and not spec.all:
            break
    return tried


def _made(
    rung: Rung, ground: Ground, folder: Path, dev: Examples, progress: Callable[..., None]
) -> Mapping[str, float]:
    """Make a rung, if a run that was cut off has not; return when it abstains."""
    done = folder.with_name(f"{folder.name}.{DONE}")
    if not done.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rung.make(ground, folder, progress)
        aside = done.with_suffix(".part")
        aside.write_text(json.dumps(settled(folder, dev)), encoding="utf-8")
        aside.replace(done)
    told: Mapping[str, float] = json.loads(done.read_text(encoding="utf-8"))
    return told


def _chosen(spec: Compress, tried: Sequence[Tried]) -> Tried:
    """Return the smallest within the budget; if none is, the best that is small and fast enough.

    If there is no such either, it is the best of all.
    """
    within = [one for one in tried if one.within(spec, one.lost)]
    if within:
        return min(within, key=lambda one: one.bytes)
    fitting = [one for one in tried if one.fits(spec)]
    return max(fitting or tried, key=lambda one: one.lost.points)


def _judged(small: Classifier, teacher: Classifier, test: Examples) -> dict[str, Any]:
    """Return what test texts say, which decided nothing."""
    said, before = small.classify(test.texts), teacher.classify(test.texts)
    right, by_teacher = _right(test, said), _right(test, before)
    return {
        "held_out": len(test.texts),
        "accuracy": _share(right),
        "teacher": _share(by_teacher),
        "agreement": _share(said.argmax(1) == before.argmax(1)),
        "loss": asdict(loss(right, by_teacher)),
    }


def _right(examples: Examples, said: Floats) -> Right:
    """Return which examples are told rightly by probabilities, bool [texts]."""
    right: Right = said.argmax(1) == examples.labels
    return right


def _share(right: Right) -> float:
    return round(float(right.mean()), 4)


def _kept(chosen: Path, work: Path) -> None:
    """Leave the files of one rung as what was made, and nothing of the others."""
    for file in chosen.iterdir():
        shutil.copyfile(file, work / file.name)
    shutil.rmtree(work / RUNGS)
