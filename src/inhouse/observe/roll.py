"""Rolls days that are over into artifacts, one each, and lets go of those kept long enough.

Cut off at any moment it loses no row and shows none twice; the next run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from inhouse.catalog import Catalog
from inhouse.core.artifact import Artifact, Edge, Ref
from inhouse.core.label import Label
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage
from inhouse.observe import rolled
from inhouse.observe.dayfile import DayFile, day_files
from inhouse.observe.days import FILES, SECTION, Opened, unrolled
from inhouse.observe.feedback import FeedbackFile
from inhouse.observe.rows import DAY_SECONDS, Row, day_of, start_of
from inhouse.observe.traces import rests_on
from inhouse.observe.wanted import Wanted

EARLIER = "earlier"


@dataclass(frozen=True, slots=True)
class Rolling:
    """The files of one day, which nobody writes any more."""

    files: tuple[str, ...]
    folder: Path = field(metadata={"identity": False})


def run(spec: Rolling, inputs: Inputs, ctx: Context) -> Result:
    """Write the rows of the files, and of the day's earlier version, into one Parquet file."""
    earlier = inputs.get(EARLIER)
    with ExitStack() as held:
        it = _opened(spec, earlier.folder / rolled.FILE if earlier else None, held)
        rows = it.rows(Wanted(), newest_first=False)
        count = rolled.write(ctx.work / rolled.FILE, rows)
    before = earlier.artifact.summary[FILES] if earlier else []
    return Result({"traces": count, FILES: [*before, *spec.files]})


ROLL = Stage("observe.roll", 1, run)


@dataclass(frozen=True, slots=True)
class Rolled:
    """What a run did: days made anew, days deleted, and days that a worker still writes."""

    made: Sequence[Artifact]
    deleted: Sequence[Artifact]
    waiting: Sequence[str]


def roll(catalog: Catalog, folder: Path, *, by: str, now: float, keep_days: float = 0) -> Rolled:
    """Roll up every day that is over, then delete the days older than `keep_days`; 0 keeps all.

    Raises:
        StoreError: the disk is full.
        Corrupt: the bytes of a rolled day have changed.
    """
    made, waiting = [], []
    with alone(catalog, folder) as note:
        over = [day for day in sorted({f.day for f in day_files(folder)}) if day < day_of(now)]
        for day in over:
            try:
                artifact = _roll_day(catalog, folder, day, by, note)
            except Timeout:
                waiting.append(day)
                continue
            made += [artifact] if artifact else []
        past = now - (keep_days + 1) * DAY_SECONDS if keep_days else 0.0
        old = [ref for ref in catalog.heads(SECTION) if start_of(ref.name) <= past]
        deleted = [catalog.erase(ref, by=by) for ref in old]
        if keep_days:
            FeedbackFile(folder).forget_until(day_of(past))
    return Rolled(made, deleted, waiting)


Note = Callable[[str], None]


@contextmanager
def alone(catalog: Catalog, folder: Path) -> Iterator[Note]:
    """Keep others from rolling and erasing, and clear away what was cut off before.

    It gives a function that notes which version is about to be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "making"
    with FileLock(folder / "roll.lock"):
        if place.exists():
            catalog.abandon(place.read_text())
        for ref in catalog.heads(SECTION):
            forget_earlier(catalog, catalog.get(ref))
        yield lambda version: _note(place, version)
        place.unlink(missing_ok=True)


def forget_earlier(catalog: Catalog, artifact: Artifact) -> None:
    """Erase the version that a version of a day has taken the place of."""
    for edge in artifact.parents:
        if edge.role == EARLIER and catalog.get(edge.parent).gone != "deleted":
            catalog.erase(edge.parent, by=artifact.actor)


def _note(place: Path, version: str) -> None:
    aside = place.with_suffix(".new")
    aside.write_text(version)
    aside.replace(place)


def _roll_day(catalog: Catalog, folder: Path, day: str, by: str, note: Note) -> Artifact | None:
    """Roll up a day and remove its files; None if there was nothing new.

    Raises:
        Timeout: a worker still writes.
    """
    ref = Ref(SECTION, day)
    files = day_files(folder, day)
    artifact = catalog.find(ref)
    with ExitStack() as held:
        for file in files:
            held.callback(file.claim().release)
        new = [file for file in unrolled(files, artifact) if not file.empty()]
        if new:
            spec = Rolling(tuple(file.name for file in new), folder)
            artifact = _make(catalog, ref, spec, artifact, by, note)
        for file in files:
            file.remove()
    return artifact if new else None


def _make(
    catalog: Catalog, ref: Ref, spec: Rolling, earlier: Artifact | None, by: str, note: Note
) -> Artifact:
    with ExitStack() as held:
        own, things = _rests_on(catalog, _opened(spec, None, held))
    edges = {str(thing): Edge(str(thing), thing, "inherit") for thing in things}
    if earlier:
        own = own.join(catalog.access.labels().get(ref.path, Label.CLOSED))
        edges |= {edge.role: edge for edge in earlier.parents}
        edges[EARLIER] = Edge(EARLIER, earlier.ref)
    catalog.access.set_label(ref, own, by=by)
    recipe = Recipe(ref, ROLL, spec, tuple(edges[role] for role in sorted(edges)))
    note(recipe.version)
    made = catalog.make(recipe, by=by).artifact
    forget_earlier(catalog, made)
    return made


def _opened(spec: Rolling, earlier: Path | None, held: ExitStack) -> Opened:
    """Open exactly the files of a spec; their workers are gone, so what is open was cut off."""
    connections = []
    for name in spec.files:
        connection = DayFile(spec.folder / name).open()
        if connection is None:
            raise FileNotFoundError(spec.folder / name)
        connections.append(held.enter_context(closing(connection)))
    kept = held.enter_context(rolled.opened(earlier)) if earlier else None
    return Opened(kept, connections, ["aborted"] * len(connections))


def _rests_on(catalog: Catalog, it: Opened) -> tuple[Label, set[Ref]]:
    """Return the join of the labels of all rows, and all that their answers were made with.

    What the catalog does not know is closed.
    """
    columns = ("label", "endpoint", "model", "sources")
    query = f"SELECT DISTINCT {', '.join(columns)} FROM traces"
    labels: set[str] = set()
    refs: set[Ref] = set()
    for connection in it.connections:
        for values in connection.execute(query):
            row = Row("", 0.0, "", state="", body="", **dict(zip(columns, values, strict=True)))
            labels.add(row.label)
            refs |= {ref for _, ref in rests_on(row)}
    found = {ref: catalog.find(ref) for ref in refs}
    label = Label.joined(map(Label.parse, sorted(labels)))
    known = {artifact.ref for artifact in found.values() if artifact}
    return (label if all(found.values()) else Label.CLOSED), known
