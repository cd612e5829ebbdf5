"""How often a training reads its data, as far as that is known before it begins.

What is there of a source is what its tokens say, or else, about, the size of its files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from inhouse.catalog import Catalog
from inhouse.core.artifact import Ref
from inhouse.core.stage import Recipe
from inhouse.data.collect import Collect
from inhouse.train.language import BASE, Language
from inhouse.train.language import EPOCHS as EPOCHS_OF
from inhouse.train.sizes import EPOCHS, TOKENS_PER_PARAMETER

BYTES = 4
"""Bytes of a text for each token, about."""


def repeats(recipe: Recipe, catalog: Catalog, recipes: Mapping[str, Recipe]) -> str:
    """Say how much a training reads of each source, if that takes more than a budget to see.

    Whatever it is, a source that is read more often than can be learnt from is named.
    """
    spec = recipe.spec
    if not isinstance(spec, Language):
        return ""
    edges = {e.role: e.parent for e in recipe.parents if e.role != BASE}
    held = {name: tokens_in(edges[name], catalog, recipes) for name in spec.sources}
    if not all(held.values()):
        return ""
    read = [leg.about(held, EPOCHS_OF[spec.method]) for leg in spec.legs]
    plain = not spec.stages and spec.mix_by == "weight"
    said = [] if plain else [_told(read, held)]
    if not plain or spec.tokens is not None:
        said.append(_too_often(spec, read, held))
    return "; ".join(filter(None, said))


def _told(read: Sequence[Mapping[str, float]], held: Mapping[str, float]) -> str:
    legs = [
        ", ".join(
            f"{_short(many)} of {name} ({many / held[name]:.2g}x)" for name, many in leg.items()
        )
        for leg in read
    ]
    if len(legs) == 1:
        return f"reads about {legs[0]}"
    return "; ".join(f"stage {place} reads about {leg}" for place, leg in enumerate(legs, 1))


def _too_often(
    spec: Language, read: Sequence[Mapping[str, float]], held: Mapping[str, float]
) -> str:
    times = {name: sum(leg.get(name, 0.0) for leg in read) / held[name] for name in held}
    most = max(times, key=lambda name: times[name])
    if times[most] <= EPOCHS:
        return ""
    fix = "add documents, or read less of it"
    if spec.method == "scratch":
        whole = sum(sum(leg.values()) for leg in read)
        fix += (
            f"; {_short(whole)} tokens suit {_short(whole / TOKENS_PER_PARAMETER)} parameters, "
            f"and there are about {_short(sum(held.values()))}"
        )
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
