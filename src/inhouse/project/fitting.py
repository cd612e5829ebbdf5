"""Will it fit? What training takes of memory and time, as far as known before it begins.

Counted is what each parameter takes, and what a part of a step takes on its way through the model.
No weights are opened: sizes and settings are those that the store already knows.
"""

from __future__ import annotations

from collections.abc import Mapping

from inhouse.catalog import Catalog
from inhouse.core.artifact import Artifact
from inhouse.core.stage import Recipe
from inhouse.models.machine import free_memory
from inhouse.models.weight_files import read_json
from inhouse.train.blank import Blank
from inhouse.train.language import BASE, TEACHER, Language

WHOLE, ADAPTED = 16, 4
"""Bytes of a parameter: with its gradient and two means of that, in float32; and alone."""
SCORES = 12
"""Bytes of a score: itself, its logarithm and its gradient, in float32."""
WIDTHS = 28
"""So many vectors of its width does a layer keep of each token, in float32, the MLP's apart: as
was measured on a model of 135 million parameters with an adapter."""
LIBRARIES = 600 * 2**20
"""Bytes that torch and what stands on it take before a model is there."""
CONFIG = "config.json"
GIB = 2**30
RATE = "tokens_per_second"
MINUTE, HOUR = 60, 3600


def fit(recipe: Recipe, catalog: Catalog, recipes: Mapping[str, Recipe]) -> str:
    """Say what training takes of memory and what is free; nothing where that is not known.

    `recipes` are those of all that is made, by path.
    """
    needed = memory(recipe, catalog, recipes)
    if needed is None:
        return ""
    free = free_memory()
    there = f"of {free / GIB:.1f} GiB that are free"
    said = f"takes about {needed / GIB:.1f} GiB {there}{'' if needed < free else ': too much'}"
    lasts = seconds(recipe, catalog)
    return said if lasts is None else f"{said}; {duration(lasts)} at the pace of the last run"


def memory(recipe: Recipe, catalog: Catalog, recipes: Mapping[str, Recipe]) -> int | None:
    """Return how many bytes training takes at its most, about; None if its base is not there."""
    spec = recipe.spec
    if not isinstance(spec, Language):
        return None
    (base,) = (edge.parent for edge in recipe.parents if edge.role == BASE)
    planned = recipes[base.path].spec if base.path in recipes else None
    if isinstance(planned, Blank):
        weights = planned.sizes.parameters * WHOLE
        return LIBRARIES + weights + _passing(planned.config(planned.words), spec)
    found = catalog.find(base)
    if found is None or CONFIG not in found.files:
        return None
    # Its own settings alone are read: to open all of it is to verify all of its weights.
    config = read_json(catalog.blobs.path(found.files[CONFIG].digest))
    try:
        return LIBRARIES + _weights(found, spec) + _taught(recipe, catalog) + _passing(config, spec)
    except (KeyError, TypeError):
        return None


def seconds(recipe: Recipe, catalog: Catalog) -> float | None:
    """Return how long the steps take at the pace of the last model of this base and kind.

    None if none was trained in this way, or the spec leaves open how many tokens there are.
    """
    spec = recipe.spec
    if not isinstance(spec, Language) or spec.read is None:
        return None
    (base,) = (edge.parent for edge in recipe.parents if edge.role == BASE)
    found = catalog.find(base)
    kind = "adapter" if spec.lora else "language"
    told = [one.summary for one in (catalog.children(found) if found else ())]
    rates = [one[RATE] for one in told if one.get("kind") == kind and one.get(RATE)]
    return spec.read / rates[-1] if rates else None


def duration(seconds: float) -> str:
    """Return a time in words, no finer than what is known of it."""
    if seconds < MINUTE:
        return "less than a minute"
    minutes = round(seconds / MINUTE)
    return f"about {minutes} min" if minutes < 2 * MINUTE else f"about {seconds / HOUR:.1f} h"


def _weights(base: Artifact, spec: Language) -> int:
    size = base.summary["parameters"] if "parameters" in base.summary else base.size // 4
    return int(size) * (ADAPTED if spec.lora else WHOLE)


def _taught(recipe: Recipe, catalog: Catalog) -> int:
    """Return the bytes of a teacher, which stands beside what learns from it."""
    teachers = [catalog.find(edge.parent) for edge in recipe.parents if edge.role == TEACHER]
    return sum(ADAPTED * int(one.summary.get("parameters", 0)) for one in teachers if one)


def _passing(config: Mapping[str, int], spec: Language) -> int:
    from inhouse.train.stream import rows_at_once

    tokens = spec.length * min(spec.batch, rows_at_once(spec.length, config["vocab_size"]))
    layer = WIDTHS * config["hidden_size"] + 4 * config["intermediate_size"]
    scores = SCORES * config["vocab_size"]
    return tokens * (4 * layer * config["num_hidden_layers"] + scores)
