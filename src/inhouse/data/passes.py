"""Sends rows through steps: in batches, on all cores, in as many passes as the steps need.

A batch that was done is not done again when a run goes on after it was cut off, and no more batches
are in memory than a few for each core.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from inhouse.catalog.rows import FILE, RowWriter, schema
from inhouse.core.stage import Context, Inputs
from inhouse.data import account
from inhouse.data.account import DROPPED, FLAGGED, Count
from inhouse.data.apart import Apart
from inhouse.data.chain import Chain, Left
from inhouse.data.ray_cluster import Cluster
from inhouse.data.recipe import Step
from inhouse.data.source import Source
from inhouse.data.step import Batch, Given, must_look
from inhouse.data.unfinished import FOLDER, Remembered, Shelf

if TYPE_CHECKING:
    import pyarrow as pa

WAITING = 2


class Passes:
    """The passes of a source through steps; each leaves its batches on a shelf.

    A step that must see the whole looks at the batches at the end of a pass, and judges them at
    the beginning of the next.
    """

    def __init__(
        self,
        source: Source,
        steps: Sequence[Step],
        inputs: Inputs,
        ctx: Context,
        ray: Any = None,  # noqa: ANN401
    ) -> None:
        """Start the steps; with `ray`, connected to a cluster, rows go through them there."""
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
        self._cluster = Cluster(ray, steps, given) if ray else None
        self._open = ExitStack()
        if self._cluster:
            self._open.callback(self._cluster.stop)
        else:
            for place in [n for n in self._judges if steps[n].in_processes]:
                apart = Apart(steps[place], self._judges[place], given, cores())
                self._judges[place] = self._open.enter_context(apart)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

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
        through, threads = self._way(number)

        def one(batch: Batch) -> None:
            self._keep(number, through(batch))

        for done in in_threads(one, coming, threads, self._open.close):
            self._ctx.progress(before + done, total, "batches")

    def _left(self, number: int, batch: int) -> Batch:
        """Return what a pass left of a batch."""
        return Batch(self._source.kind, self._shelves[number].take("rows", batch)[0], batch)

    def _way(self, number: int) -> tuple[Callable[[Batch], Left], int]:
        """Return what sends a batch through the steps of a pass, and from how many threads."""
        places, looking = self._judging[number], self._looking[number]
        cluster = self._cluster
        legs = [(here, list(some)) for here, some in groupby(places, self._is_judged_here)]
        if looking is not None and (not legs or legs[-1][0]):
            legs.append((False, []))
        if cluster is None or all(here for here, _ in legs):
            return self._chain(places, looking).through, cores()

        def through(batch: Batch) -> Left:
            left = Chain([]).through(batch)
            for leg, (here, some) in enumerate(legs, 1):
                looks = looking if leg == len(legs) else None
                more = self._chain(some, None).through if here else cluster.through(some, looks)
                left = left.then(more(left.batch))
            return left

        return through, cluster.threads

    def _is_judged_here(self, place: int) -> bool:
        """Say whether a step is not for other machines: what it found out is here.

        A step that saw the whole does little more than look things up. One that has learnt in
        floating point would learn something else on another machine.
        """
        return place in self._whole or self._steps[place].learns

    def _chain(self, places: Iterable[int], looking: int | None) -> Chain:
        steps = [(place, self._steps[place].name, self._judges[place]) for place in places]
        return Chain(steps, None if looking is None else self._whole[looking])

    def _keep(self, number: int, left: Left) -> None:
        """Put what is left of a batch on the shelf; the rows come last, since they mark it."""
        import pyarrow as pa

        shelf, batch = self._shelves[number], left.batch
        if left.seen is not None:
            shelf.put("seen", batch.number, left.seen)
        shelf.put("dropped", batch.number, pa.concat_tables(left.dropped))
        shelf.put("flagged", batch.number, pa.concat_tables(left.flagged))
        shelf.put("rows", batch.number, batch.rows, left.counts)

    def _gather(self, file: Path, columns: pa.Schema, what: str, shelves: Sequence[Shelf]) -> None:
        with RowWriter(file, columns) as writer:
            for shelf in shelves:
                for number in range(self._source.batches):
                    table = shelf.take(what, number)[0]
                    if table.num_rows:
                        writer.write(table)


def cores() -> int:
    """Return how many cores this process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return len(allowed) or os.cpu_count() or 1


def in_threads(
    one: Callable[[Batch], None],
    batches: Iterator[Batch],
    threads: int,
    stop: Callable[[], object],
) -> Iterator[int]:
    """Call `one` with all batches, on so many threads; yield how many are done.

    Batches are read ahead no further than the threads need. If something goes wrong, or somebody
    stops the program, `stop` is called, so that those under way end soon.
    """
    pool, done = ThreadPoolExecutor(threads), 0
    going: set[Future[None]] = set()
    try:
        for batch in batches:
            going.add(pool.submit(one, batch))
            if len(going) >= WAITING * threads:
                over, going = wait(going, return_when=FIRST_COMPLETED)
                done += _finished(over)
                yield done
        while going:
            over, going = wait(going, return_when=FIRST_COMPLETED)
            done += _finished(over)
            yield done
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        stop()
        raise
    finally:
        pool.shutdown()


def _finished(futures: Iterable[Future[None]]) -> int:
    return sum(future.result() is None for future in futures)
