"""How often a training reads its data, as far as that is known before it begins.

What is there of a source is what its tokens say, or else, about, the size of its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from inhouse.catalog import Catalog
from inhouse.core.artifact import Ref
from inhouse.core.stage import Recipe
from inhouse.data.collect import Collect
from inhouse.train.language import BASE, Language
from inhouse.train.sizes import EPOCHS, TOKENS_PER_PARAMETER

BYTES = 4
"""Bytes of a text for each token, about."""


def repeats(recipe: Recipe, catalog: Catalog, recipes: Mapping[str, Recipe]) -> str:
    """Say that a training reads a source more often than it can learn from; else nothing."""
    spec = recipe.spec
    if not isinstance(spec, Language) or spec.tokens is None:
        return ""
    sources = {e.role: e.parent for e in recipe.parents if e.role != BASE}
    held = {name: tokens_in(sources[name], catalog, recipes) for name, _ in spec.mix}
    if not all(held.values()):
        return ""
    shares = dict(spec.mix) if any(share for _, share in spec.mix) else held
    whole = sum(shares.values())
    times = {name: spec.tokens * shares[name] / whole / held[name] for name in held}
    most = max(times, key=lambda name: times[name])
    if times[most] <= EPOCHS:
        return ""
    fix = "add documents, or write a smaller 'budget'"
    if spec.method == "scratch":
        best = spec.tokens / TOKENS_PER_PARAMETER
        fix += (
            f"; {_short(spec.tokens)} tokens suit {_short(best)} parameters, and there are about "
        )
        fix += f"{_short(sum(held.values()))}"
    return f"reads {most} {times[most]:,.0f} times, and after {EPOCHS} little more is learnt: {fix}"


def tokens_in(ref: Ref, catalog: Catalog, recipes: Mapping[str, Recipe]) -> float:
    """Return how many tokens a source has, about; 0 if that is not known."""
    found = catalog.find(ref)
    if found is not None and "tokens" in found.summary:
        return float(found.summary["tokens"])
    recipe = recipes.get(ref.path)
    if recipe is None:
        return 0.0
    if isinstance(recipe.spec, Collect):
        files = [Path(recipe.spec.root, path) for path, _ in recipe.spec.files]
        return sum(file.stat().st_size for file in files if file.is_file()) / BYTES
    behind = [e.parent for e in recipe.parents if e.parent.section == "data"]
    return sum(tokens_in(one, catalog, recipes) for one in behind)


def _short(count: float) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"
