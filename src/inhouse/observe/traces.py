"""Traces for somebody to read: their own, or everybody's for an auditor, under the labels of now.

A trace may be read by whoever the label admits that it was recorded with, and who may still use
the endpoint and the model that answered and read every source that was cited. So a label that was
tightened hides old traces from the next look on, and so does a source that was deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inhouse.catalog import Catalog, audit
from inhouse.core.access import Action, Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound
from inhouse.core.label import Label
from inhouse.core.nouns import Feedback, Trace
from inhouse.observe import days
from inhouse.observe.feedback import FeedbackFile, put
from inhouse.observe.reach import reach
from inhouse.observe.rows import Row
from inhouse.observe.wanted import Wanted

MOST = 10_000
LATE_SECONDS = 5.0
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Page:
    """Traces, the last one first, and how many of the reader's own were passed by.

    Those of others are not counted: how many a filter fits would tell an auditor what is closed.
    """

    traces: Sequence[Trace]
    hidden: int


class Traces:
    """The traces in a folder, to be read and rated by whoever may.

    It is a `core.protocols.FeedbackSink`.
    """

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self._catalog = catalog
        self._folder = folder
        self._feedback = FeedbackFile(folder)

    def find(self, reader: Actor, wanted: Wanted, *, last: int = 50) -> Page:
        """Return the last traces that are wanted and that the reader may read.

        Those of others need the group ``auditor``, and that they were read goes on record.

        Raises:
            Refused: the traces of somebody else are wanted, and the reader is no auditor.
            BadInput: more are asked for than are given at once.
        """
        if not 0 < last <= MOST:
            raise BadInput(f"{last} traces cannot be given at once.", f"Ask for 1 to {MOST:,}.")
        page = self._look(reader, self._within(reader, wanted), last)
        self._account(reader, page.traces)
        return page

    def get(self, reader: Actor, id: str) -> Trace:
        """Return one trace by its id, which may be cut short.

        Raises:
            NotFound: there is none, or the reader may not read it.
            BadInput: several begin so.
        """
        wanted = self._within(reader, Wanted(id=id))
        found = self._look(reader, wanted, MOST).traces
        exact = [trace for trace in found if trace.id == id] or found
        if not exact:
            raise NotFound("trace", id, (), "Nor one that you may not read: inhouse traces")
        if len(exact) > 1:
            raise BadInput(f"Several traces begin with {id!r}.", "Give more of the id.")
        self._account(reader, exact)
        return exact[0]

    async def take(self, feedback: Feedback, actor: Actor) -> None:
        """Keep what somebody thinks of an answer, in place of what they said about it before.

        Raises:
            NotFound: there is no such trace, or the actor may not read it, or their key is not for
                the endpoint that answered.
            StoreError: it cannot be written.
        """
        await asyncio.to_thread(self._keep, feedback, actor)

    def feedback_on(
        self, reader: Actor, traces: Sequence[Trace]
    ) -> Mapping[str, Sequence[Feedback]]:
        """Return what was said about traces that the reader was given, by id.

        It is what they said themselves, and for an auditor what everybody did.
        """
        by = reach(self._catalog, reader, "read", "")
        return self._feedback.on([trace.id for trace in traces], by=by)

    def follow(self, reader: Actor, wanted: Wanted) -> Iterator[Trace]:
        """Yield traces as they are finished, from now on and without end.

        The reader's groups are those held at each look.

        Raises:
            Refused: the traces of somebody else are wanted, and the reader is no auditor, or no
                longer.
        """
        wanted = replace(wanted, since=time.time())
        told: set[str] = set()
        while True:
            reader = self._catalog.access.actor(reader.name)
            page = self._look(reader, self._within(reader, wanted), MOST)
            ended = [trace for trace in reversed(page.traces) if trace.state != "open"]
            fresh = [trace for trace in ended if trace.id not in told]
            self._account(reader, fresh)
            yield from fresh
            # What is still open, or comes a little late, is looked at again.
            waiting = [trace.at for trace in page.traces if trace.state == "open"]
            since = min([*waiting, time.time() - LATE_SECONDS])
            wanted = replace(wanted, since=max(wanted.since, since))
            told = {trace.id for trace in ended}
            time.sleep(POLL_SECONDS)

    def _within(self, reader: Actor, wanted: Wanted) -> Wanted:
        """Narrow what is wanted to what may be looked at."""
        if wanted.feedback:
            by = reach(self._catalog, reader, "read", "")
            wanted = replace(wanted, among=self._feedback.traces(wanted.feedback, by=by))
        return replace(wanted, actor=reach(self._catalog, reader, "read", wanted.actor))

    def _keep(self, feedback: Feedback, actor: Actor) -> None:
        found = self._rated(feedback, actor, Wanted())
        # Whoever erases removes traces first and feedback then, which waits for the end of this:
        # so it is looked for again, in its own moment alone, as nobody else can write meanwhile.
        moment = Wanted(since=found.at, until=math.nextafter(found.at, math.inf))
        with self._feedback.writing() as connection:
            found = self._rated(feedback, actor, moment)
            self._account(actor, [found])
            put(connection, feedback, found)

    def _rated(self, feedback: Feedback, actor: Actor, within: Wanted) -> Trace:
        """Return the trace of an answer that an actor may say something about."""
        # A key is for the endpoint that answers, and says nothing of what that is made of.
        reader = replace(actor, only=())
        wanted = self._within(reader, replace(within, among=frozenset({feedback.trace})))
        found = self._look(reader, wanted, 1).traces
        if not found or not _answered_by(found[0], actor):
            raise NotFound("answer", feedback.trace, (), "Nor one that you may not read.")
        return found[0]

    def _look(self, reader: Actor, wanted: Wanted, last: int) -> Page:
        judge = _Judge(self._catalog, reader)
        found: list[Trace] = []
        hidden = 0
        with contextlib.closing(days.rows(self._catalog, self._folder, wanted)) as rows:
            for row in rows:
                # Before the text is looked at: the count must not tell what is in it.
                if not judge.admits(row):
                    hidden += row.actor == reader.name
                    continue
                if not wanted.contains or wanted.in_text(row):
                    found.append(row.trace)
                if len(found) == last:
                    break
        return Page(found, hidden)

    def _account(self, reader: Actor, traces: Sequence[Trace]) -> None:
        """Put on record whose traces somebody read."""
        others = Counter(trace.actor for trace in traces if trace.actor != reader.name)
        if others:
            note = ", ".join(f"{count} of {actor}" for actor, count in sorted(others.items()))
            with self._catalog.database.write() as connection:
                audit.write(connection, reader.name, "read", "traces", note=note)


def _answered_by(trace: Trace, actor: Actor) -> bool:
    """Say whether what an actor's key is for gave the answer of a trace."""
    return not actor.only or (trace.endpoint is not None and actor.within(trace.endpoint))


class _Judge:
    """Decides on many rows at one moment; those that rest on the same have the same answer."""

    def __init__(self, catalog: Catalog, reader: Actor) -> None:
        self._access = catalog.access
        self._reader = reader
        self._known: dict[tuple[str, ...], bool] = {}

    def admits(self, row: Row) -> bool:
        """Say whether the reader may read a row."""
        key = (row.label, row.endpoint, row.model, row.sources)
        if key not in self._known:
            self._known[key] = self._decide(row)
        return self._known[key]

    def _decide(self, row: Row) -> bool:
        if not Label.parse(row.label).admits(self._reader.groups):
            return False
        return all(
            self._access.decide(self._reader, action, ref, record=False).allowed
            for action, ref in rests_on(row)
        )


def rests_on(row: Row) -> Iterator[tuple[Action, Ref]]:
    """Yield what the answer of a row was made with, and what a reader must be allowed to do."""
    if row.endpoint:
        yield "use", Ref.parse(row.endpoint)
    with contextlib.suppress(BadInput):
        model = Ref.parse(row.model)
        if model.version:  # without one it is what an API calls its model, such as models/gemini
            yield "search" if model.section == "knowledge" else "use", model
    for source in row.sources.split():
        yield "read", Ref.parse(source)
