"""Lets suites look on while a model learns: where training and evaluation meet."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.evaluate.model import Looking

SUITES = "suites/"


@cache
def watched(stage: Stage) -> Stage:
    """Return a stage that is given a watcher over those of its inputs that are suites.

    The result carries the labels of the suites, as of all inputs: its curves tell how well the
    model does on their questions.
    """

    def run(spec: object, inputs: Inputs, ctx: Context) -> Result:
        suites = {
            role: (one.artifact.summary["kind"], one.folder)
            for role, one in inputs.items()
            if role.startswith(SUITES)
        }
        watcher = Looking(suites) if suites else None
        return stage.run(spec, inputs, replace(ctx, watcher=watcher))

    return Stage(stage.recipe, stage.code, run)
