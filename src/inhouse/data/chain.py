"""What a batch goes through in one pass: steps that judge it in turn, and one that looks at it.

Where and when that is done, and what becomes of what is left, is the business of `passes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from inhouse.data import account
from inhouse.data.account import Count
from inhouse.data.leaves import renewed
from inhouse.data.step import Batch, Note, RowStep, WholeStep

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a batch, and its account: tables of rows dropped and of what was noted.

    `counts` are what came in and what each step left, by its place; `seen` is what the step that
    looked remembers.
    """

    batch: Batch
    dropped: Sequence[pa.Table]
    flagged: Sequence[pa.Table]
    counts: Mapping[str, Any]
    seen: pa.Table | None = None

    def then(self, later: Left) -> Left:
        """Return what is left once what was left here went through more steps."""
        return Left(
            later.batch,
            [*self.dropped, *later.dropped],
            [*self.flagged, *later.flagged],
            {**later.counts, **self.counts},
            later.seen,
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps with their places in the list of all and their names, and one that looks at the end."""

    steps: Sequence[tuple[int, str, RowStep]]
    looking: WholeStep | None = None

    def through(self, batch: Batch) -> Left:
        """Send a batch through the steps; it is called from several threads."""
        counts = {"came": Count(len(batch), account.size(batch)).plain()}
        dropped = [account.dropped_schema(batch.kind).empty_table()]
        flagged = [account.flagged_schema().empty_table()]
        for place, name, step in self.steps:
            verdict = step.judge(batch)
            anew = batch
            if verdict.rows is not None:
                anew = replace(batch, rows=renewed(batch.rows, verdict.rows))
            dropped.append(account.dropped(batch, verdict.dropped, place + 1, name))
            flagged.append(account.noted(batch.ids, verdict.flagged, place + 1, name))
            after = _without(anew, verdict.dropped)
            counts[str(place)] = account.count(batch, verdict, after).plain()
            batch = after
        seen = self.looking.look(batch) if self.looking else None
        return Left(batch, dropped, flagged, counts, seen)


def _without(batch: Batch, notes: Sequence[Note]) -> Batch:
    gone = {note.row for note in notes}
    if not gone:
        return batch
    stays = [row for row in range(len(batch)) if row not in gone]
    return replace(batch, rows=batch.taken(stays))
