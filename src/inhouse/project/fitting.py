"""Will it fit? What training takes of memory and time, as far as known before it begins.

Counted is what each parameter takes, and what a part of a step takes on its way through the model.
No weights are opened: sizes and settings are those that the store already knows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from inhouse.catalog import Catalog
from inhouse.core.artifact import Ref
from inhouse.core.stage import Recipe
from inhouse.models.machine import free_memory
from inhouse.project.repeats import tokens_in
from inhouse.project.shape import Shape, shape_of
from inhouse.train.language import BASE, EPOCHS, TEACHER, Language

WHOLE, ADAPTED = 16, 4
"""Bytes of a parameter: with its gradient and two means of that, in float32; and alone."""
SCORES = 12
"""Bytes of a score: itself, its logarithm and its gradient, in float32."""
WIDTHS = 28
"""So many vectors of its width does a layer keep of each token, in float32, the MLP's apart: as
was measured on a model of 135 million parameters with an adapter."""
KEPT = 12
"""Bytes of a parameter that learns in a checkpoint: itself and two means of its gradient."""
LIBRARIES = 600 * 2**20
"""Bytes that torch and what stands on it take before a model is there."""
GIB = 2**30
RATE = "tokens_per_second"
MINUTE, HOUR = 60, 3600
USUAL = 0.5
"""The share of what large matrices reach that training usually does, on a CPU."""
SIDE, TRIES = 1024, 5


def fit(recipe: Recipe, catalog: Catalog, recipes: Mapping[str, Recipe]) -> str:
    """Say what training takes of memory and what is free, how long it lasts and what it costs.

    `recipes` are those of all that is made, by path. Nothing is said of what is not known.
    """
    spec = recipe.spec
    if not isinstance(spec, Language):
        return ""
    base = _base(recipe)
    shape = shape_of(base, catalog, recipes)
    if shape is None:
        return f"what it takes of memory is known when {base.path} is there"
    found = [_memory(spec, shape, _teacher(recipe, catalog))]
    lasts, how = seconds(recipe, catalog, recipes)
    if lasts is not None:
        found.append(f"{duration(lasts)} {how}")
        if spec.price:
            hour, unit = spec.price
            found.append(f"about {lasts / HOUR * hour:,.2f} {unit}")
    return "; ".join(found)


def _memory(spec: Language, shape: Shape, teacher: int) -> str:
    needed, more = memory(spec, shape, teacher), putting_together(spec, shape)
    said = f"takes about {needed / GIB:.1f} GiB"
    first = f" and {more / GIB:.1f} GiB more in the first" if more else ""
    if spec.processes.on:
        return f"{said} in each process{first}"
    count, free = spec.processes.count or 1, free_memory()
    fits = "" if needed * count + more < free else ": too much"
    each = f" in each of {count} processes{first}," if count > 1 else ""
    return f"{said}{each} of {free / GIB:.1f} GiB that are free{fits}"


def memory(spec: Language, shape: Shape, teacher: int = 0) -> int:
    """Return how many bytes a process takes at its most, about, beside a teacher of so many.

    One that holds a part of the weights has read all of them first.
    """
    each = (ADAPTED if spec.lora else WHOLE) / _parts(spec)
    weights = round(shape.parameters * max(each, ADAPTED))
    return LIBRARIES + weights + teacher + _passing(shape, spec)


def putting_together(spec: Language, shape: Shape) -> int:
    """Return how many bytes the first process takes more to keep what all have in parts."""
    each = ADAPTED if spec.lora else KEPT
    return shape.parameters * each if _parts(spec) > 1 else 0


def _parts(spec: Language) -> int:
    return (spec.processes.count or 1) if spec.processes.shard else 1


def seconds(
    recipe: Recipe, catalog: Catalog, recipes: Mapping[str, Recipe]
) -> tuple[float | None, str]:
    """Return how long the steps take, and how that is known; None if it is not.

    It is the pace of the last model of this base and kind, or else a guess from what the machine
    multiplies, if a GPU does not learn instead.
    """
    spec = recipe.spec
    assert isinstance(spec, Language)
    tokens = _tokens(recipe, catalog, recipes)
    found = catalog.find(_base(recipe))
    kind = "adapter" if spec.lora else "language"
    told = [one.summary for one in (catalog.children(found) if found else ())]
    rates = [one[RATE] for one in told if one.get("kind") == kind and one.get(RATE)]
    if rates and tokens:
        return tokens / rates[-1], "at the pace of the last run"
    shape = shape_of(_base(recipe), catalog, recipes)
    if not tokens or shape is None or spec.processes.on or any(Path("/dev").glob("nvidia[0-9]*")):
        return None, ""
    work = shape.work(spec.length, adapter=bool(spec.lora))
    return tokens * work / (USUAL * multiplied()), "by what this machine multiplies"


def duration(seconds: float) -> str:
    """Return a time in words, no finer than what is known of it."""
    if seconds < MINUTE:
        return "less than a minute"
    minutes = round(seconds / MINUTE)
    return f"about {minutes} min" if minutes < 2 * MINUTE else f"about {seconds / HOUR:.1f} h"


@cache
def multiplied() -> float:
    """Return how many operations a second large matrices reach on this machine, in float32."""
    import numpy as np

    left = np.ones((SIDE, SIDE), np.float32)
    best = float("inf")
    for _ in range(TRIES):
        started = time.perf_counter()
        left @ left
        best = min(best, time.perf_counter() - started)
    return 2.0 * SIDE**3 / best


def _base(recipe: Recipe) -> Ref:
    (base,) = (edge.parent for edge in recipe.parents if edge.role == BASE)
    return base


def _tokens(recipe: Recipe, catalog: Catalog, recipes: Mapping[str, Recipe]) -> float:
    """Return how many tokens are learnt from, about; 0 if that is not known."""
    spec = recipe.spec
    assert isinstance(spec, Language)
    if spec.read is not None:
        return spec.read
    edges = {edge.role: edge.parent for edge in recipe.parents}
    held = {name: tokens_in(edges[name], catalog, recipes) for name in spec.sources}
    if not all(held.values()):
        return 0.0
    epochs = EPOCHS[spec.method]
    return sum(sum(leg.about(held, epochs).values()) for leg in spec.legs)


def _teacher(recipe: Recipe, catalog: Catalog) -> int:
    """Return the bytes of a teacher, which stands beside what learns from it."""
    teachers = [catalog.find(edge.parent) for edge in recipe.parents if edge.role == TEACHER]
    return sum(ADAPTED * int(one.summary.get("parameters", 0)) for one in teachers if one)


def _passing(shape: Shape, spec: Language) -> int:
    from inhouse.train.stream import rows_at_once

    rows = max(spec.batch // (spec.processes.count or 1), 1)
    tokens = spec.length * min(rows, rows_at_once(spec.length, shape.words))
    layer = WIDTHS * shape.width + 4 * shape.inner
    return tokens * (4 * layer * shape.layers + SCORES * shape.words)
