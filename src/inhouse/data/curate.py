"""The stage that cleans a data set step by step, and accounts for every row that it drops.

How rows go through the steps is the business of `passes`; what a step does is said in its module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from inhouse.core.cluster import connected, require_ray
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.data import account, personal
from inhouse.data.passes import Passes
from inhouse.data.ray_cluster import NEEDED_FOR
from inhouse.data.recipe import Step, require, restored
from inhouse.data.source import Source, sourced
from inhouse.data.unfinished import FOLDER


@dataclass(frozen=True, slots=True)
class Curate:
    """The steps in order, each with all of its settings: `inhouse.data.recipe` reads them.

    `sources` are the roles of the inputs whose rows are cleaned; the others are for the steps. `on`
    is the Ray cluster that does it, ``ray://host:port``; without it this machine.
    """

    steps: tuple[Mapping[str, Any], ...]
    sources: tuple[str, ...]
    on: str = field(default="", metadata={"identity": False})

    @classmethod
    def of(cls, steps: Sequence[Step], sources: Sequence[str], on: str = "") -> Curate:
        """Return the spec of steps."""
        return cls(tuple(step.plain for step in steps), tuple(sources), on)

    def require(self) -> None:
        """Make sure that what it needs is installed here.

        Raises:
            MissingExtra: something is not.
        """
        require([restored(step) for step in self.steps])
        if self.on:
            require_ray(NEEDED_FOR)


def run(spec: Curate, inputs: Inputs, ctx: Context) -> Result:
    """Write the rows that stay, those that went, what was noted, and the funnel as summary.

    Raises:
        BadInput: the inputs are of several kinds, or the cluster is not there or not fit.
        MissingExtra: a cluster is wanted, and Ray is not installed.
    """
    cluster = connected(spec.on, NEEDED_FOR) if spec.on else nullcontext()
    with sourced({role: inputs[role] for role in spec.sources}) as source, cluster as ray:
        summary = curated(source, spec, inputs, ctx, ray)
    unfinished = (ctx.work / FOLDER).rglob("*")
    scratch = tuple(f.relative_to(ctx.work).as_posix() for f in unfinished if f.is_file())
    steps = [restored(step) for step in spec.steps]
    return Result(summary, scratch, personal.found(steps, summary["funnel"]))


STAGE = Stage("data.curate", 1, run)


def curated(
    source: Source,
    spec: Curate,
    inputs: Inputs,
    ctx: Context,
    ray: Any = None,  # noqa: ANN401
) -> dict[str, Any]:
    """Put the rows of a source through the steps of `spec`; return the summary.

    With `ray`, connected to a cluster, it is done there.
    """
    steps = [restored(step) for step in spec.steps]
    with Passes(source, steps, inputs, ctx, ray) as passes:
        passes.all()
        funnel = passes.funnel()
    types = personal.report(ctx.work, steps, funnel)
    return {
        source.kind: funnel[-1]["rows"],
        "dropped": funnel[0]["rows"] - funnel[-1]["rows"],
        "tokens": account.tokens(funnel[-1]["characters"]),
        "funnel": funnel,
        **({"personal_data": types} if types else {}),
    }
