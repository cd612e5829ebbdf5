"""Pairs of answers to one request: the one that was shown, and that of its shadow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from inhouse.core.access import Actor
from inhouse.core.nouns import Trace
from inhouse.observe.rows import DAY_SECONDS
from inhouse.observe.traces import MOST, Traces
from inhouse.observe.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one request; `shown` is None if the reader may not read it, or it is gone."""

    shown: Trace | None
    shadow: Trace


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs, the last one first, and how many of the reader's own shadows were passed by."""

    pairs: Sequence[Pair]
    hidden: int


def pairs(traces: Traces, reader: Actor, wanted: Wanted, *, last: int = 50) -> Pairs:
    """Return the last pairs whose shadow is wanted and may be read.

    Raises:
        Refused: the traces of somebody else are wanted, and the reader is no auditor.
        BadInput: more are asked for than are given at once.
    """
    page = traces.find(reader, replace(wanted, shadow=True), last=last)
    ids = frozenset(map(_shown, page.traces))
    if not ids:
        return Pairs((), page.hidden)
    since = min(trace.at for trace in page.traces) - DAY_SECONDS  # a shadow comes behind
    found = traces.find(reader, Wanted(among=ids, since=max(since, 0.0)), last=MOST)
    shown = {trace.id: trace for trace in found.traces}
    return Pairs([Pair(shown.get(_shown(trace)), trace) for trace in page.traces], page.hidden)


def _shown(shadow: Trace) -> str:
    return str(shadow.extra["shadow_of"])
