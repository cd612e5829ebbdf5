"""The stage that chooses the smallest form of a language model that is still good enough.

The forms are artifacts of other stages: built with fewer bits, or of a model with fewer layers.
Half of the test texts choose one; the other half, which nothing was chosen by, says whether it
holds. All is measured as it will be served.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np

from inhouse.compress.perplexity import Read, rise, smallest
from inhouse.core.artifact import Input
from inhouse.core.protocols import Piece, Sampling, TokenScore
from inhouse.core.stage import Context, Inputs, Progress, Result, Stage

MODEL, TEST = "model", "test"
REPORT = "report.json"
MEGABYTE = 10**6
PROMPTED, WRITTEN, ROUNDS = 32, 64, 3
"""Tokens that are given and written to see how fast a model is, and how often."""
BOTH, CHOOSES, CONFIRMS = slice(None), slice(0, None, 2), slice(1, None, 2)


class Scores(Protocol):
    """A language model that says how likely each token of a text is, and goes on with it."""

    async def score(self, text: Sequence[int], *, top: int = 0) -> Sequence[TokenScore]:
        """Return the tokens with their log-probabilities; the first has none."""
        ...

    def complete(self, prompt: Sequence[int], sampling: Sampling) -> AsyncIterator[Piece]:
        """Stream how a text goes on."""
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class Window(Protocol):
    """Tokens, and which of them count; the first does not."""

    @property
    def tokens(self) -> Any:  # noqa: ANN401
        """Their numbers, int64 [length]."""
        ...

    @property
    def counts(self) -> Any:  # noqa: ANN401
        """Which are measured by, bool [length]."""
        ...


Opener = Callable[[Input], Scores]
Windows = Callable[[Path, int, int], Sequence[Window]]
"""Windows of a length, at most so many, of the tokens in a folder."""


@dataclass(frozen=True, slots=True)
class Shrink:
    """What a smaller form may cost.

    Args:
        perplexity: the share by which it may rise, the upper end of the interval included.
        mb: megabytes that the form may have with all that lies beside it; None for any number.
        length: tokens of a window.
        most: windows that are read at most.
    """

    perplexity: float = 0.02
    mb: float | None = None
    length: int = 512
    most: int = 32


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen of a form: its losses, bytes of its files, and tokens in a second."""

    read: Read
    bytes: int
    reads: float
    writes: float

    def told(self) -> dict[str, Any]:
        """Return it as numbers for a report."""
        return {
            "perplexity": round(self.read.perplexity, 4),
            "bytes": self.bytes,
            "reads_tokens_per_second": round(self.reads, 1),
            "writes_tokens_per_second": round(self.writes, 1),
        }


def stage(opened: Opener, windows: Windows) -> Stage:
    """Return the stage; `opened` opens a form, and `windows` reads tokens.

    Its inputs are ``model``, what is to become small, in the form that loses nothing; ``test``,
    tokens that it did not learn from; and under all other names the forms to choose from.
    """

    def run(spec: Shrink, inputs: Inputs, ctx: Context) -> Result:
        texts = windows(inputs[TEST].folder, spec.length, spec.most)
        forms = [role for role in inputs if role not in (MODEL, TEST)]
        found = {}
        for place, role in enumerate([MODEL, *forms]):
            whole = len(texts) * (len(forms) + 1)
            progress = _from(ctx.progress, place * len(texts), whole)
            found[role] = asyncio.run(_measured(inputs[role], opened, texts, progress))
        chosen, report = _judged(spec, found)
        _take(inputs[chosen].folder, ctx.work)
        text = json.dumps(report, indent=2, ensure_ascii=False)
        (ctx.work / REPORT).write_text(text, encoding="utf-8")
        return Result(_summary(inputs[chosen], chosen, report))

    return Stage("compress.language", 1, run)


def _judged(spec: Shrink, found: Mapping[str, Measured]) -> tuple[str, dict[str, Any]]:
    """Return the form to keep, and what is to be said of all of them."""
    before = found[MODEL]
    forms = [role for role in found if role != MODEL]
    first, second = (
        [rise(found[role].read.part(half), before.read.part(half)) for role in forms]
        for half in (CHOOSES, CONFIRMS)
    )
    sizes = [found[role].bytes for role in forms]
    most = np.inf if spec.mb is None else spec.mb * MEGABYTE
    place = smallest(first, sizes, share=spec.perplexity, most=float(most))
    within = second[place].high <= spec.perplexity and sizes[place] <= most
    rungs = [
        {"form": role, **found[role].told(), "rise": asdict(one)}
        for role, one in zip(forms, first, strict=True)
    ]
    report = {
        "within": bool(within),
        "form": forms[place],
        "budget": {"perplexity": spec.perplexity, "mb": spec.mb},
        "rise": asdict(second[place]),
        "windows": len(before.read.losses),
        "tokens": int(before.read.counts.sum()),
        "model": before.told(),
        "forms": sorted(rungs, key=lambda rung: rung["bytes"]),
    }
    return forms[place], report


async def _measured(
    source: Input, opened: Opener, texts: Sequence[Window], progress: Progress
) -> Measured:
    model = opened(source)
    try:
        losses, began = [], time.perf_counter()
        for place, window in enumerate(texts):
            scores = await model.score(window.tokens.tolist())
            said = zip(scores, window.counts, strict=True)
            losses.append(-sum(score.logprob or 0.0 for score, counts in said if counts))
            progress(place + 1, len(texts), "windows")
        seconds = time.perf_counter() - began
        prompts = [window.tokens[:PROMPTED].tolist() for window in texts[:ROUNDS]]
        speeds = [await _writes(model, prompt) for prompt in prompts]
    finally:
        await model.close()
    counts = np.array([window.counts.sum() for window in texts], np.float64)
    size = sum(path.stat().st_size for path in source.folder.rglob("*") if path.is_file())
    tokens = sum(len(window.tokens) for window in texts)
    return Measured(Read(np.array(losses), counts), size, tokens / seconds, median(speeds))


async def _writes(model: Scores, prompt: Sequence[int]) -> float:
    """Return how many tokens it writes in a second, when nobody else asks."""
    first, last, written = 0.0, 0.0, 0
    async for piece in model.complete(prompt, Sampling(max_tokens=WRITTEN)):
        last = time.perf_counter()
        first = first or last
        written = piece.usage.completion_tokens if piece.usage else written
    return (written - 1) / (last - first) if last > first else 0.0


def _from(progress: Progress, past: int, whole: int) -> Progress:
    def told(done: int, _: int, unit: str) -> None:
        progress(past + done, whole, unit)

    return told


def _take(source: Path, work: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            target = work / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _summary(chosen: Input, form: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of the chosen form, as one that was built, and what became of it."""
    about = chosen.artifact.summary
    (rung,) = (one for one in report["forms"] if one["form"] == form)
    before = report["model"]
    kept = ("kind", "architecture", "precision", "parameters", "context_tokens")
    return {
        **{key: about[key] for key in kept if key in about},
        "form": form,
        "within": report["within"],
        "rise": report["rise"],
        **{f"{key}_before": value for key, value in before.items()},
        **{f"{key}_after": rung[key] for key in before},
    }
