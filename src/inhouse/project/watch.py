"""Follows the files that a project is made of, and says when they have changed.

What is done then is the caller's business.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING

from inhouse.core.errors import BadInput, StoreError
from inhouse.data.files import base, find
from inhouse.project.data_schema import Data
from inhouse.project.read import needed

if TYPE_CHECKING:
    from inhouse.project.project import Project

QUIET_MS = 200
LONGEST_MS = 2000
TICK_SECONDS = 1.0
# What `watchfiles` says of a single file, such as a name not in UTF-8 or a link to itself.
OF_ONE_FILE = ("Unable to decode path", "error in underlying watcher")

Snapshot = Mapping[Path, tuple[int, int, int]]
"""Files with what changes when they do: size, time of their bytes and time of their entry."""


@dataclass(frozen=True, slots=True)
class Following:
    """What is followed: a project file, and what patterns match but for the store.

    `patterns` are those of `inhouse.data.files.find`; relative ones start at `root`.
    """

    file: Path
    root: Path
    store: Path
    patterns: tuple[str, ...]

    def look(self) -> Snapshot:
        """Return the files that are there now; a pattern may match none."""
        found = {self.file}
        for pattern in self.patterns:
            with contextlib.suppress(BadInput):
                found |= set(find([pattern], self.root))
        return {path: stat for path in found if not self._own(path) and (stat := _stat(path))}

    def wait(self, seen: Snapshot) -> Snapshot:
        """Return what is there as soon as it differs from `seen` and is quiet for a moment.

        Raises:
            StoreError: the system cannot follow these folders.
        """
        with contextlib.closing(self._moments()) as moments:
            for _ in moments:
                now = self.look()
                if now != seen:
                    return now
        raise AssertionError("the moments never end")

    def _moments(self) -> Generator[None, None, None]:
        """Yield when something may have changed, and once as soon as that would be noticed."""
        while True:
            folders = self._folders()
            file: tuple[int, int, int] | None = None
            with contextlib.closing(self._ticks(list(folders))) as ticks:
                for happened in ticks:
                    # The file may be replaced by another, and so may a folder: neither is told to
                    # those who follow what was there before.
                    if self._folders() != folders:
                        break
                    before, file = file, _stat(self.file)
                    if happened or file != before:
                        yield

    def _ticks(self, folders: Sequence[Path]) -> Generator[bool, None, None]:
        """Yield at least once a second, and say whether something happened in `folders`.

        It ends if one of them is gone before it is followed, and after a second if there is a file
        of which nothing can be told: then something may have happened.
        """
        if not folders:
            while True:
                time.sleep(TICK_SECONDS)
                yield False
        from watchfiles import watch

        events = watch(
            *folders,
            watch_filter=lambda _, path: not self._own(Path(path)),
            debounce=LONGEST_MS,
            step=QUIET_MS,
            rust_timeout=int(TICK_SECONDS * 1000),
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
        try:
            for changes in events:
                yield bool(changes)
        except FileNotFoundError:
            return
        except (OSError, RuntimeError) as error:
            if any(words in str(error) for words in OF_ONE_FILE):
                time.sleep(TICK_SECONDS)
                yield True
                return
            raise StoreError(
                f"The folders of the data cannot be followed: {error}.",
                "Set WATCHFILES_FORCE_POLLING=true to look at them again and again instead.",
            ) from error

    def _folders(self) -> Mapping[Path, tuple[int, int]]:
        """Return the folders in which something may come to match, with device and inode."""
        bases = (base(pattern, self.root) for pattern in self.patterns)
        folders = {path if path.is_dir() else path.parent for path in bases}
        found = {}
        for folder in sorted(folders):
            with contextlib.suppress(OSError):
                stat = folder.stat()
                if S_ISDIR(stat.st_mode):
                    found[folder] = (stat.st_dev, stat.st_ino)
        return found

    def _own(self, path: Path) -> bool:
        return path.is_relative_to(self.store)


def following(project: Project, target: str | None = None) -> Following:
    """Return what the data and the suites of a target (section/name), or all, are made of."""
    config = project.config
    wanted = needed(config, target)
    patterns = [
        source
        for name, data in config.data.items()
        if f"data/{name}" in wanted and isinstance(data, Data)
        for source in data.sources
        if not source.startswith(("data/", "hf://"))
    ]
    suites = [
        suite.source
        for name, suite in config.suites.items()
        if f"suites/{name}" in wanted and suite.source
    ]
    store = project.catalog.root.absolute()
    return Following(project.file.absolute(), project.root, store, (*patterns, *suites))


def changed(before: Snapshot, after: Snapshot) -> int:
    """Return how many files are new, gone or different."""
    return sum(before.get(path) != after.get(path) for path in before.keys() | after.keys())


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
