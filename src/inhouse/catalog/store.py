"""The catalog: the one door to artifacts. It makes them once, finds them, loads them verified.

What a stage does, and which steps a project needs, is not its business.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import Timeout
from sqlalchemy import Connection, delete, false, func, select, update

from inhouse.catalog import audit, records, trials
from inhouse.catalog.access import Access
from inhouse.catalog.blobs import Blobs, disk_errors
from inhouse.catalog.collect import Collected, collect
from inhouse.catalog.database import Database, advance
from inhouse.catalog.erase import abandon, erase
from inhouse.catalog.keys import Keys
from inhouse.catalog.lineage import Lineage, matching
from inhouse.catalog.records import Outcome
from inhouse.catalog.releases import Releases
from inhouse.catalog.schema import artifacts, candidates, edges, names
from inhouse.catalog.sources import Digests, fingerprint, modified, salt
from inhouse.catalog.trials import Trials
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.errors import BadInput, Corrupt, NotFound, StoreError
from inhouse.core.label import Label
from inhouse.core.stage import Context, Other, Progress, Recipe, silent


@dataclass(frozen=True, slots=True)
class Made:
    """An artifact, and whether this call made it or found it made."""

    artifact: Artifact
    fresh: bool


class Catalog:
    """One store: a folder with a database and content-addressed files."""

    def __init__(self, root: Path) -> None:
        """Open a store, creating it if the folder is new or empty.

        Raises:
            StoreError: the folder cannot be written or the database is damaged.
        """
        if root.is_file():
            raise StoreError(f"{root} is a file.", "Name a folder for the store.")
        with disk_errors(root):
            root.mkdir(parents=True, exist_ok=True)
            self.blobs = Blobs(root)
            self.database = Database(root / "catalog.db")
        self.root = root
        self.lineage = Lineage(self.database)
        self.access = Access(self.database, self.lineage)
        self.keys = Keys(self.database, self.lineage)
        self.releases = Releases(self.database)
        self.trials = Trials(self.database)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def get(self, ref: Ref) -> Artifact:
        """Return the artifact a reference means: that version, or the current one of the name.

        Raises:
            NotFound: nothing has that name or version.
            BadInput: a shortened version fits several.
        """
        with self.database.read() as connection:
            rows = connection.execute(matching(ref)).all()
            if len(rows) > 1:
                raise BadInput(f"{ref} fits {len(rows)} versions.", "Give more of its digits.")
            if not rows:
                known = connection.execute(select(names.c.path)).scalars().all()
                before = select(artifacts.c.version).where(artifacts.c.path == ref.path)
                newest = before.order_by(artifacts.c.created.desc()).limit(1)
                last = connection.execute(newest).scalar_one_or_none()
                fix = "Make it with: inhouse run" if ref.path in known else ""
                if last and not ref.version:
                    fix = f"It was taken out of service; look at {ref.at(last)}."
                raise NotFound("artifact", str(ref), known, fix)
            return records.read(connection, rows[0], self.lineage)

    def find(self, ref: Ref) -> Artifact | None:
        """Return the artifact a reference means, or None."""
        try:
            return self.get(ref)
        except NotFound:
            return None

    def heads(self, section: str) -> Sequence[Ref]:
        """Return the current version of every name of a section, by name."""
        query = select(names.c.path, names.c.head).where(
            names.c.path.startswith(f"{section}/"), names.c.head.is_not(None)
        )
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(names.c.path))
            return [Ref.parse(path).at(head) for path, head in rows]

    def list(self) -> Sequence[Artifact]:
        """Return the current version of every name, by section and name."""
        query = select(artifacts).join(names, names.c.head == artifacts.c.version)
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(artifacts.c.path)).all()
            return [records.read(connection, row, self.lineage) for row in rows]

    def children(self, artifact: Artifact) -> Sequence[Artifact]:
        """Return what was made from an artifact, oldest first."""
        query = (
            select(artifacts)
            .join(edges, edges.c.child == artifacts.c.version)
            .where(edges.c.parent == artifact.ref.version)
            .order_by(artifacts.c.created)
        )
        with self.database.read() as connection:
            rows = connection.execute(query).all()
            return [records.read(connection, row, self.lineage) for row in rows]

    def made(self, version: str) -> bool:
        """Say whether a version is there with all its bytes (sizes; `load` checks digests)."""
        with self.database.read() as connection:
            return self._there(connection, version)

    def load(self, ref: Ref, *, again: bool = True) -> Input:
        """Verify an artifact's bytes and return a folder to read them from.

        Without `again` it is enough that this process has verified them once, and that nobody has
        touched them since: for what is opened at each request.

        Raises:
            NotFound: nothing has that name or version, or it was collected or deleted.
            Corrupt: a file is missing or its bytes have changed.
        """
        artifact = self.get(ref)
        state = self.lineage.now().state(artifact.ref)
        if state is None or state.gone:
            fix = f"It was {state.gone if state else 'deleted'}; make it again with: inhouse run"
            raise NotFound("artifact", str(artifact.ref), (), fix)
        return Input(artifact, self.blobs.show(artifact.files, again=again))

    def make(
        self, recipe: Recipe, *, by: str, progress: Progress = silent, point: bool = True
    ) -> Made:
        """Return the artifact of a recipe, making it if it is not there, and point its name to it.

        Without `point` the name means what it meant before; see `inhouse.catalog.releases`.
        Of several processes that want the same version one makes it; the others wait and take
        it. A run that is cut off leaves its work folder, and the next one goes on from there.

        Raises:
            Corrupt: an input's bytes have changed.
            StoreError: the disk is full.
        """
        pinned = recipe.ref.at(recipe.version)
        fresh = False
        if not self._take(pinned, by, point):
            with self.blobs.lock(recipe.version):
                fresh = not self._take(pinned, by, point)
                if fresh:
                    self._make(recipe, by, progress, point)
        return Made(self.get(pinned), fresh)

    @contextlib.contextmanager
    def alone(self, names: Iterable[str], waiting: Callable[[str], None]) -> Iterator[None]:
        """Keep other processes that ask for one of these names waiting until the block ends.

        `waiting` hears of each name that has to be waited for.
        """
        with contextlib.ExitStack() as held:
            for name in sorted(names):  # all in the same order, so that nobody waits in a circle
                lock = self.blobs.lock(f"name.{name.replace('/', '.')}")
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    waiting(name)
                    lock.acquire()
                held.callback(lock.release)
            yield

    def delete(self, ref: Ref, *, by: str) -> Artifact:
        """Delete a version, leaving a tombstone that keeps its label and place in lineage.

        Nobody may open it from now on; its bytes go with the next `collect`. What was made from
        it goes on under its label, an endpoint that has it open until its server stops.
        """
        artifact = self.get(ref)
        with self.database.write() as connection:
            records.bury(connection, artifact.ref, by=by)
        return artifact

    def erase(self, ref: Ref, *, by: str) -> Artifact:
        """Delete a version as `delete` does, and its bytes at once; see `inhouse.catalog.erase`."""
        artifact = self.get(ref)
        erase(self.database, self.blobs, artifact, by=by)
        return artifact

    def abandon(self, version: str) -> None:
        """Throw away the unfinished work on a version; see `inhouse.catalog.erase`."""
        abandon(self.database, self.blobs, version)

    def retire(self, ref: Ref, *, by: str) -> None:
        """Make a name mean no version, so that it is served no more; its versions stay on record.

        Raises:
            NotFound: the name means none.
        """
        before = self.get(Ref(ref.section, ref.name)).ref
        with self.database.write() as connection:
            connection.execute(update(names).where(names.c.path == ref.path).values(head=None))
            connection.execute(delete(candidates).where(candidates.c.path == ref.path))
            trials.end(connection, ref.path, by=by, why="taken out of service")
            advance(connection)
            audit.write(connection, by, "retire", ref.path, note=f"was {before}")

    def collect(
        self, *, by: str, dry: bool = False, wanted: Collection[str] | None = None
    ) -> Collected:
        """Remove the bytes that nothing current needs; see `inhouse.catalog.collect`."""
        return collect(self.database, self.blobs, by=by, dry=dry, wanted=wanted)

    def fingerprint(self, paths: Sequence[Path]) -> Digests:
        """Return the sha256 of files outside the store; see `inhouse.catalog.sources`."""
        return fingerprint(self.database, paths)

    def modified(self, files: Sequence[tuple[str, str]], root: Path) -> Mapping[str, float]:
        """Return since when files hold what they do; see `inhouse.catalog.sources`."""
        return modified(self.database, files, root)

    def salt(self, path: str) -> str:
        """Return what keys the versions of a name; see `inhouse.catalog.sources`."""
        return salt(self.database, path)

    def audit(self, *, last: int = 100) -> Sequence[audit.Entry]:
        """Return the last rows of the audit log, oldest first."""
        return audit.read(self.database, last=last)

    def _there(self, connection: Connection, version: str) -> bool:
        query = select(artifacts.c.gone).where(artifacts.c.version == version)
        row = connection.execute(query).one_or_none()
        if row is None or row.gone:
            return False
        return self.blobs.whole(records.read_files(connection, version))

    def _take(self, pinned: Ref, by: str, point: bool) -> bool:
        """Point a name to a version if that is there; in one transaction, because of `collect`."""
        with self.database.write() as connection:
            there = self._there(connection, pinned.version or "")
            if there and point:
                records.point(connection, pinned, by=by)
            return there

    def _make(self, recipe: Recipe, by: str, progress: Progress, point: bool) -> None:
        version = recipe.version
        pinned = recipe.ref.at(version)
        with self.blobs.lock("commit"):  # from here on `collect` sees that something is being made
            work = self.blobs.work(version)
        opened = [edge for edge in recipe.parents if edge.flow != "inherit"]
        inputs = {edge.role: self.load(edge.parent) for edge in opened}
        context = Context(
            work=work,
            actor=self.access.actor(by),
            progress=progress,
            previous=self._open(Ref(recipe.ref.section, recipe.ref.name)),
            others=lambda: self._others(recipe),
        )
        started = time.monotonic()
        with disk_errors(work):
            result = recipe.stage.run(recipe.spec, inputs, context)
        seconds = time.monotonic() - started
        measured = self.blobs.measure(work, result.scratch)
        outcome = Outcome(measured, seconds, result.summary, result.found)
        carried = [e.parent.version or "" for e in recipe.parents if e.flow != "filter"]
        inherited = Label.joined(self.lineage.now().demands(parent).label for parent in carried)
        with self.blobs.lock("commit"):
            self.blobs.keep(work, outcome.files)
            with self.database.write() as connection:
                records.record(connection, recipe, outcome, by=by, inherited=inherited)
                if point:
                    records.point(connection, pinned, by=by)
        self.blobs.discard(version)

    def _others(self, recipe: Recipe) -> Iterator[Other]:
        """Yield what the stage of a recipe made: what is current first, then the newest.

        What the name of the recipe means at this moment is left out.
        """
        current = names.c.head == artifacts.c.version
        query = (
            select(artifacts.c.path, artifacts.c.version, artifacts.c.summary)
            .join(names, names.c.path == artifacts.c.path)
            .where(artifacts.c.recipe == recipe.stage.recipe, artifacts.c.gone.is_(None))
            .where((artifacts.c.path != recipe.ref.path) | ~func.coalesce(current, false()))
            .order_by(current.desc(), artifacts.c.created.desc())
        )
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        for path, version, summary in rows:
            yield Other(json.loads(summary), partial(self._open, Ref.parse(path).at(version)))

    def _open(self, ref: Ref) -> Input | None:
        """Load what is only an aid: if it is damaged or collected, it is as good as none."""
        with contextlib.suppress(NotFound, Corrupt):
            return self.load(ref)
        return None
