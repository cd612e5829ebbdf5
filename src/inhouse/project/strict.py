"""A strict run: what a data set would leave out stops it, in the words of its ledger."""

from __future__ import annotations

import dataclasses
import json

from inhouse.catalog import Catalog
from inhouse.core.artifact import Artifact
from inhouse.core.stage import Recipe
from inhouse.data.collect import LEDGER, Collect, stopped
from inhouse.data.hub import Hub


def strictly(recipe: Recipe, strict: bool) -> Recipe:
    """Return a recipe that, if `strict`, stops at the first thing that it would leave out."""
    if strict and isinstance(recipe.spec, Collect | Hub):
        return dataclasses.replace(recipe, spec=dataclasses.replace(recipe.spec, strict=True))
    return recipe


def require_whole(catalog: Catalog, artifact: Artifact, strict: bool) -> None:
    """Make sure, if `strict`, that a data set that was there already has left nothing out.

    Raises:
        UserError: it has; the first thing is named.
    """
    if strict and artifact.summary.get("skipped"):
        with (catalog.load(artifact.ref).folder / LEDGER).open(encoding="utf-8") as lines:
            first = json.loads(next(lines))
        raise stopped(first["path"], first["reason"])
