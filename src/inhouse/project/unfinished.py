"""Where a run goes on that was interrupted: what it has kept, in words."""

from __future__ import annotations

from inhouse.catalog import Catalog
from inhouse.core.stage import Recipe
from inhouse.models.weight_files import read_json
from inhouse.train.checkpoint import reached
from inhouse.train.learning import CHECKPOINTS

OVER_AGAIN = (
    "compress.", "data.collect", "data.combine", "data.part",
    "train.language", "train.prefer", "train.vocabulary",
)  # fmt: skip
"""Stages that keep nothing of what they had begun, but for checkpoints."""
STATE, STEPS = "trainer_state.json", "max_steps"


def goes_on(recipe: Recipe, catalog: Catalog) -> str:
    """Say where an interrupted step goes on; "" if it was never begun."""
    if not catalog.blobs.unfinished(recipe.version):
        return ""
    work = catalog.blobs.root / "work" / recipe.version
    if last := reached(work / CHECKPOINTS):
        steps = read_json(last.folder / STATE)[STEPS]
        return f"goes on at step {last.step:,} of {steps:,}, where it was interrupted"
    kept = any(file.is_file() for file in work.rglob("*"))
    if not kept or recipe.stage.recipe.startswith(OVER_AGAIN):
        return "begins from the start: nothing was kept when it was interrupted"
    return "goes on where it was interrupted"
