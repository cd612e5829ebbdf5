"""Compares what is tried at an endpoint with what is served, for whoever decides on a release.

It counts the traces that its reader may read, and no others.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inhouse.catalog.trials import Trial
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput
from inhouse.core.nouns import Trace, TraceState
from inhouse.observe.pairs import pairs
from inhouse.observe.traces import MOST
from inhouse.observe.wanted import Wanted
from inhouse.project.recording import traces
from inhouse.project.release import endpoint_of

if TYPE_CHECKING:
    from inhouse.project.project import Project

ANSWERED: tuple[TraceState, ...] = ("done", "refused")


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two did. Seconds are those of whole answers; `cost` is by its unit."""

    requests: int
    failed: int
    aborted: int
    refused: int
    median_seconds: float | None
    p95_seconds: float | None
    prompt_tokens: int
    completion_tokens: int
    cost: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides since a trial began; beside a shadow, `released` counts the same requests.

    It is `cut` if there were more requests than are looked at, of which the last are counted.
    """

    trial: Trial
    served: Ref
    released: Side
    tried: Side
    cut: bool


def compare(project: Project, endpoint: str) -> Comparison:
    """Compare what is tried at an endpoint with what is served, since the trial began.

    Raises:
        NotFound: there is no such endpoint.
        BadInput: nothing is tried there.
    """
    served = endpoint_of(project, endpoint).ref
    trial = project.catalog.trials.of(served)
    if trial is None:
        raise BadInput(
            f"Nothing is tried at {served.path}.",
            f"Try what waits with: inhouse release {served.path} --canary 10",
        )
    reader = project.catalog.access.actor(project.actor_name)
    wanted = Wanted(since=trial.began, endpoint=served.path, shadow=False)
    versions = project.catalog.trials.versions(trial)
    if trial.kind == "shadow":
        found = pairs(traces(project), reader, wanted, last=MOST).pairs
        both = [pair for pair in found if _version(pair.shadow) in versions]
        shown = [pair.shown for pair in both if pair.shown]
        sides = side(shown), side([pair.shadow for pair in both])
        return Comparison(trial, served, *sides, cut=len(found) == MOST)
    answers = traces(project).find(reader, wanted, last=MOST).traces
    tried = [trace for trace in answers if _version(trace) in versions]
    others = [trace for trace in answers if _version(trace) not in versions]
    return Comparison(trial, served, side(others), side(tried), cut=len(answers) == MOST)


def side(found: Iterable[Trace]) -> Side:
    """Return the figures of some traces, but for those that are not over."""
    over = [trace for trace in found if trace.state != "open"]
    states = Counter(trace.state for trace in over)
    seconds = [trace.seconds for trace in over if trace.state in ANSWERED and trace.seconds]
    cost: dict[str, float] = {}
    for trace in over:
        if trace.cost is not None:
            cost[trace.price] = cost.get(trace.price, 0.0) + trace.cost
    return Side(
        requests=len(over),
        failed=states["failed"],
        aborted=states["aborted"],
        refused=states["refused"],
        median_seconds=statistics.median(seconds) if seconds else None,
        p95_seconds=_p95(seconds),
        prompt_tokens=sum(trace.prompt_tokens for trace in over),
        completion_tokens=sum(trace.completion_tokens for trace in over),
        cost=cost,
    )


def _p95(seconds: Sequence[float]) -> float | None:
    """Return the least value that 95 % of them do not exceed."""
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1] if seconds else None


def _version(trace: Trace) -> str | None:
    return trace.endpoint.version if trace.endpoint else None
