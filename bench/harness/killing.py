"""kill -9 in the middle of a sync, again and again, and what is left of the store each time.

Documents carry the number of their revision in every section, so that a knowledge base says which
state of the folder it was made of; a mix of two states is told apart from both.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from inhouse.catalog import Catalog
from inhouse.core.artifact import Artifact, Ref
from inhouse.knowledge.schema import open_index
from inhouse.project.project import Project

PROGRAM = [sys.executable, "-c", "from inhouse.cli import main; main()"]
PROJECT = """\
project: killed
data: {pages: {from: ./docs}}
models: {minilm: {from: minilm-l6}}
knowledge: {desk: {from: data/pages, embed: models/minilm}}
"""
DATA, DESK = Ref("data", "pages"), Ref("knowledge", "desk")
PARTS = 6
STANDS = re.compile(r"Page (\d+) stands at revision (\d+)\.")
WORDS = ("leave", "travel", "price", "weight", "support", "contract", "garden", "budget")

State = Mapping[int, int]
"""Page -> revision."""


@dataclass
class Tally:
    """What was seen: `torn` and `lost` are what must not be."""

    kills: int = 0
    too_late: int = 0
    torn: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    new_at_once: int = 0
    wanted: int = 0
    embedded: int = 0
    cpu_seconds: float = 0.0

    @property
    def taken_up(self) -> float:
        """The share of the embeddings a killed run owed that the next one found done."""
        return 1 - self.embedded / self.wanted if self.wanted else 0.0


class Killing:
    """A project that is edited, synced, killed and looked at.

    `models` is the folder of a project whose store has the built embedder: what is compared with
    is made from nothing in a copy of it.
    """

    def __init__(self, folder: Path, models: Path, *, pages: int, seed: int) -> None:
        self.tally = Tally()
        self._folder = folder
        self._models = models
        self._rng = random.Random(seed)
        self._state = dict.fromkeys(range(pages), 0)
        self._revision = 0
        self._copy(folder)
        self._write(folder)
        self._seconds = self._uninterrupted()
        self._good = dict(self._state)

    def kill(self, times: int) -> Tally:
        """Kill that many runs before they end; return what was seen."""
        before = _cpu()
        while self.tally.kills < times:
            self._round()
        self.tally.cpu_seconds = _cpu() - before
        return self.tally

    def _round(self) -> None:
        self._edit()
        run = self._begin()
        try:
            run.wait(self._rng.uniform(0, 1.2 * self._seconds))
            self.tally.too_late += 1
            self._good = dict(self._state)
            return
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.wait()
        self.tally.kills += 1
        owed = self._look()
        self._go_on(owed)

    def _edit(self) -> None:
        """Edit about half of the pages; now and then take one out or put it back."""
        self._revision += 1
        for page in self._rng.sample(sorted(self._state), len(self._state) // 2):
            self._state[page] = self._revision
        if self._rng.random() < 0.3:
            if len(self._state) % 2:
                self._state[max(self._state) + 1] = self._revision
            else:
                self._state.pop(self._rng.choice(sorted(self._state)))
        self._write(self._folder)

    def _write(self, folder: Path) -> None:
        docs = folder / "docs"
        docs.mkdir(parents=True, exist_ok=True)
        for page, revision in self._state.items():
            text = _page(page, revision)
            file = docs / f"{page:03}.md"
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")
                # A document is as old as its file, here as there.
                os.utime(file, (revision + 1, revision + 1))
        for file in docs.iterdir():
            if int(file.stem) not in self._state:
                file.unlink()

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*PROGRAM, "run", str(DESK), "--actor", "bench"], cwd=self._folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _uninterrupted(self) -> float:
        """Run to the end; return the seconds it took."""
        started = time.monotonic()
        if self._begin().wait():
            self.tally.lost.append(f"kill {self.tally.kills}: the next run fails")
        return time.monotonic() - started

    def _look(self) -> int:
        """Check the store as the kill left it; return how many passages the run owed."""
        number = self.tally.kills
        project = Project(self._folder / "inhouse.yaml", actor="bench")
        try:
            for artifact in project.catalog.list():
                project.catalog.load(artifact.ref)
            shown, passages = read(project.catalog)
            if shown not in (self._good, self._state):
                self.tally.torn.append(f"kill {number}: the index is of no state there was")
            page = self._rng.choice(sorted(shown))
            found = project.search("desk", f"revision of page {page}, {_word(page, 1)}", top=50)
            told = {int(p): int(r) for h in found.hits for p, r in STANDS.findall(h.passage)}
            if not told or any(shown.get(p) != r for p, r in told.items()):
                self.tally.torn.append(f"kill {number}: a search tells of {told}")
        finally:
            project.close()
        if number % 10 == 1:
            self._search()
        with closing(sqlite3.connect(self._folder / ".inhouse" / "catalog.db")) as database:
            said = database.execute("PRAGMA integrity_check").fetchall()
        if said != [("ok",)]:
            self.tally.torn.append(f"kill {number}: {said}")
        self.tally.new_at_once += shown == self._state
        wanted = {(p, r) for p, r in self._state.items() if shown.get(p) != r}
        return len(wanted) * PARTS if passages else 0

    def _search(self) -> None:
        words = ["search", "desk", "revision of a page", "--json", "--actor", "bench"]
        done = subprocess.run(
            [*PROGRAM, *words], cwd=self._folder, capture_output=True, text=True, check=False
        )
        if done.returncode or not json.loads(done.stdout)["hits"]:
            self.tally.torn.append(f"kill {self.tally.kills}: inhouse search says {done.stderr}")

    def _go_on(self, owed: int) -> None:
        """Let the next run end, and compare with a run from nothing in another store."""
        # Other work on the machine makes runs longer: the next moment is drawn from this length.
        self._seconds = self._uninterrupted()
        ours = _made(self._folder, fresh=False)
        other = self._folder.with_name("from-nothing")
        self._copy(other)
        self._write(other)
        theirs = _made(other, fresh=True)
        shutil.rmtree(other)
        for mine, fresh in zip(ours, theirs, strict=True):
            if (mine.ref, mine.digest) != (fresh.ref, fresh.digest):
                self.tally.lost.append(f"kill {self.tally.kills}: {mine.ref} has other bytes")
        self.tally.wanted += owed
        self.tally.embedded += int(ours[-1].summary["embedded"]) if owed else 0
        self._good = dict(self._state)

    def _copy(self, folder: Path) -> None:
        """Copy the models' store; its immutable files by links."""
        folder.mkdir(parents=True)
        (folder / "inhouse.yaml").write_text(PROJECT, encoding="utf-8")
        store = self._models / ".inhouse"
        shutil.copytree(store / "blobs", folder / ".inhouse" / "blobs", copy_function=os.link)
        with (
            closing(sqlite3.connect(store / "catalog.db")) as source,
            closing(sqlite3.connect(folder / ".inhouse" / "catalog.db")) as target,
        ):
            source.backup(target)


def read(catalog: Catalog) -> tuple[dict[int, int], int]:
    """Return the state that the knowledge base was made of, and how many passages it has.

    A page whose sections do not agree is at revision -1.
    """
    with closing(open_index(catalog.load(DESK).folder)) as index:
        texts = [text for (text,) in index.execute("SELECT text FROM sections")]
        (passages,) = index.execute("SELECT count(*) FROM passages").fetchone()
    state: dict[int, int] = {}
    for page, revision in (map(int, pair) for text in texts for pair in STANDS.findall(text)):
        state[page] = revision if state.setdefault(page, revision) == revision else -1
    return state, passages


def _made(folder: Path, *, fresh: bool) -> list[Artifact]:
    project = Project(folder / "inhouse.yaml", actor="bench")
    try:
        if any(step.made.fresh for step in project.run(str(DESK))) != fresh:
            raise RuntimeError(f"{folder} was made {'before' if fresh else 'again'}")
        return [project.catalog.load(ref).artifact for ref in (DATA, DESK)]
    finally:
        project.close()


def _page(page: int, revision: int) -> str:
    sections = (
        f"## Part {part}: {_word(page, part)}\n\nPage {page} stands at revision {revision}. "
        + " ".join(_word(page * revision, part + n) for n in range(20 + 9 * part))
        + ".\n\n"
        for part in range(PARTS)
    )
    return f"# Page {page}\n\n{''.join(sections)}"


def _word(seed: int, number: int) -> str:
    return WORDS[(seed * 7 + number * number) % len(WORDS)]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime + time.process_time()
