"""Sends rows through steps: in batches, on all cores, in as many passes as the steps need.

A batch that was done is not done again when a run goes on after it was cut off, and no more batches
are in memory than a few for each core.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inhouse.catalog.rows import FILE, RowWriter, schema
from inhouse.core.stage import Context, Inputs
from inhouse.data import account
from inhouse.data.account import DROPPED, FLAGGED, Count
from inhouse.data.recipe import Step
from inhouse.data.source import Source
from inhouse.data.step import Batch, Given, Note, must_look
from inhouse.data.unfinished import FOLDER, Remembered, Shelf

if TYPE_CHECKING:
    import pyarrow as pa

WAITING = 2


class Passes:
    """The passes of a source through steps; each leaves its batches on a shelf.

    A step that must see the whole looks at the batches at the end of a pass, and judges them at
    the beginning of the next.
    """

    def __init__(self, source: Source, steps: Sequence[Step], inputs: Inputs, ctx: Context) -> None:
        self._source, self._steps, self._ctx = source, steps, ctx
        given = Given(inputs, ctx.seed, ctx.work / FOLDER)
        begun = [step.module.start(step.settings, given) for step in steps]
        self._judges = {n: step for n, step in enumerate(begun) if not must_look(step)}
        self._whole = {n: step for n, step in enumerate(begun) if must_look(step)}
        self._shelves = [Shelf(ctx.work, number) for number in range(len(self._whole) + 1)]
        # Pass by pass, the steps that judge in it, and the one that looks at its end.
        bounds = [0, *self._whole, len(steps)]
        self._judging = [range(bounds[i], bounds[i + 1]) for i in range(len(bounds) - 1)]
        self._looking = [*self._whole, None]

    def all(self) -> None:
        """Do all passes, then write the files of the data set."""
        for number, shelf in enumerate(self._shelves):
            self._pass(number)
            looked = self._looking[number]
            if looked is not None:
                seen = Remembered(shelf, self._source.batches)
                self._judges[looked] = self._whole[looked].decide(seen)
        kind, work = self._source.kind, self._ctx.work
        self._gather(work / FILE, schema(kind), "rows", self._shelves[-1:])
        self._gather(work / DROPPED, account.dropped_schema(kind), "dropped", self._shelves)
        self._gather(work / FLAGGED, account.flagged_schema(), "flagged", self._shelves)

    def funnel(self) -> list[dict[str, Any]]:
        """Return what came in and what each step left, as JSON-able values."""
        came, left = Count(), [Count() for _ in self._steps]
        for at, shelf in enumerate(self._shelves):
            for number in range(self._source.batches):
                counts = shelf.take("rows", number)[1]
                if at == 0:
                    came.add(counts["came"])
                for place in self._judging[at]:
                    left[place].add(counts[str(place)])
        told = [getattr(self._judges[place], "told", {}) for place in range(len(self._steps))]
        return [
            {"step": name, **found.plain(), **({"told": more} if more else {})}
            for name, found, more in zip(
                ["", *(step.name for step in self._steps)], [came, *left], [{}, *told], strict=True
            )
        ]

    def _pass(self, number: int) -> None:
        shelf, batches = self._shelves[number], self._source.batches
        missing = [b for b in range(batches) if not shelf.has("rows", b)]
        coming = (
            self._source.batch(b) if number == 0 else self._left(number - 1, b) for b in missing
        )
        before, total = number * batches + batches - len(missing), batches * len(self._shelves)
        for done in in_threads(lambda batch: self._judge(number, batch), coming):
            self._ctx.progress(before + done, total, "batches")

    def _left(self, number: int, batch: int) -> Batch:
        """Return what a pass left of a batch."""
        return Batch(self._source.kind, self._shelves[number].take("rows", batch)[0], batch)

    def _judge(self, number: int, batch: Batch) -> None:
        """Send one batch through the steps of a pass; the rows come last, since they mark it."""
        import pyarrow as pa

        shelf = self._shelves[number]
        counts = {"came": Count(len(batch), account.size(batch)).plain()}
        dropped = [account.dropped_schema(batch.kind).empty_table()]
        flagged = [account.flagged_schema().empty_table()]
        for place in self._judging[number]:
            name = self._steps[place].name
            verdict = self._judges[place].judge(batch)
            anew = batch if verdict.rows is None else replace(batch, rows=verdict.rows)
            dropped.append(account.dropped(batch, verdict.dropped, place + 1, name))
            flagged.append(account.noted(batch.ids, verdict.flagged, place + 1, name))
            after = _without(anew, verdict.dropped)
            counts[str(place)] = account.count(batch, verdict, after).plain()
            batch = after
        looking = self._looking[number]
        if looking is not None:
            shelf.put("seen", batch.number, self._whole[looking].look(batch))
        shelf.put("dropped", batch.number, pa.concat_tables(dropped))
        shelf.put("flagged", batch.number, pa.concat_tables(flagged))
        shelf.put("rows", batch.number, batch.rows, counts)

    def _gather(self, file: Path, columns: pa.Schema, what: str, shelves: Sequence[Shelf]) -> None:
        with RowWriter(file, columns) as writer:
            for shelf in shelves:
                for number in range(self._source.batches):
                    table = shelf.take(what, number)[0]
                    if table.num_rows:
                        writer.write(table)


def in_threads(one: Callable[[Batch], None], batches: Iterator[Batch]) -> Iterator[int]:
    """Call `one` with all batches, on as many threads as there are cores; yield how many are done.

    Batches are read ahead no further than the threads need.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    threads = len(cores) or os.cpu_count() or 1
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        going: set[Future[None]] = set()
        for batch in batches:
            going.add(pool.submit(one, batch))
            if len(going) >= WAITING * threads:
                over, going = wait(going, return_when=FIRST_COMPLETED)
                done += _finished(over)
                yield done
        yield done + _finished(going)


def _finished(futures: Iterable[Future[None]]) -> int:
    return sum(future.result() is None for future in futures)


def _without(batch: Batch, notes: Sequence[Note]) -> Batch:
    gone = {note.row for note in notes}
    if not gone:
        return batch
    stays = [row for row in range(len(batch)) if row not in gone]
    return replace(batch, rows=batch.taken(stays))
