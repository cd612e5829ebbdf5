"""Which files a source is made of. Reading them is `collect`'s business.

A pattern is a file, a folder (everything below it) or a glob with ``*``, ``?``, ``[...]`` and
``**``. Names that begin with a dot are found only where the pattern spells them out. What a git
repository leaves out is the business of `ignore`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from inhouse.core.errors import BadInput
from inhouse.data.ignore import Ignored

WILD = re.compile(r"[*?\[]")
UNMATCHED = "Nothing matches it. Mend the pattern, unless everything there is meant to be gone."


@dataclass(frozen=True, slots=True)
class Survey:
    """The files that patterns name, absolute and sorted, and what is left out: path -> reason.

    A pattern that matches nothing any more is left out like a file.
    """

    files: Sequence[Path]
    left_out: dict[Path, str]


def find(patterns: Sequence[str], root: Path) -> Sequence[Path]:
    """Return the files that `patterns` name, absolute and sorted, each once; see `survey`."""
    return survey(patterns, root).files


def survey(patterns: Sequence[str], root: Path, *, known: bool = False) -> Survey:
    """Return the files that `patterns` name, and what of it is left out and why.

    In a git repository what its ``.gitignore`` files name is passed by, unless the pattern spells
    it out. Links to folders are not entered. A link to a file is taken only if the file lies below
    `root` or below the folder that the pattern spells out.

    Args:
        patterns: files, folders or globs; relative ones start at `root`.
        root: folder of the project.
        known: whether there were files before; then a folder may have become empty.

    Raises:
        BadInput: a pattern matches no file, its folder cannot be listed or a ``.gitignore`` read.
    """
    found: dict[Path, str] = {}
    for pattern in patterns:
        try:
            matched = dict(_matches(pattern, root.absolute()))
        except OSError as error:
            raise BadInput(
                f"{error.filename} cannot be listed: {error.strerror}.",
                f"Make it readable, or leave it out of the pattern {pattern!r}.",
            ) from error
        if not matched:
            if not (known and base(pattern, root).is_dir()):
                raise BadInput(
                    f"Nothing matches {pattern!r} in {root}.",
                    "Name a file, a folder or a pattern such as './docs/**/*.md'.",
                )
            spelled, wild = _parts(pattern, root.absolute())
            matched = {spelled.joinpath(*wild): UNMATCHED}
        found |= {path: "" if found.get(path) == "" else why for path, why in matched.items()}
    left_out = {path: why for path, why in found.items() if why}
    return Survey([path for path in sorted(found) if not found[path]], left_out)


def relative(path: Path, root: Path) -> str:
    """Return a file's path as its source calls it: below `root`, or absolute if outside.

    Bytes of the name that are no text are written as ``\\xff``.
    """
    root = root.absolute()
    path = path.relative_to(root) if path.is_relative_to(root) else path
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def base(pattern: str, root: Path) -> Path:
    """Return the file or folder that the pattern spells out, absolute; all matches lie in it."""
    return _parts(pattern, root.absolute())[0]


def _parts(pattern: str, root: Path) -> tuple[Path, tuple[str, ...]]:
    """Return what a pattern spells out, and the parts behind it."""
    parts = Path(os.path.expanduser(pattern)).parts
    fixed = next((i for i, part in enumerate(parts) if WILD.search(part)), len(parts))
    return Path(os.path.normpath(root.joinpath(*parts[:fixed]))), parts[fixed:]


def _matches(pattern: str, root: Path) -> Iterator[tuple[Path, str]]:
    """Yield what fits, each with why it is left out, which is empty for what is taken."""
    start, wild = _parts(pattern, root)
    if start.is_file() and not wild:
        yield start, _unfit_name(start)
    elif start.is_dir():
        homes = (Path(os.path.realpath(start)), Path(os.path.realpath(root)))
        for path, why in _walk(start, wild or ("**",), Ignored.around(start)):
            yield path, why or _unfit_name(path) or _unfit(path, homes)


def _unfit(path: Path, homes: Sequence[Path]) -> str:
    """Return why what is no folder is left out; nothing if it is a file that may be read."""
    target = Path(os.path.realpath(path))
    inside = any(target.is_relative_to(home) for home in homes)
    try:
        if inside and target.is_file():
            return ""
        if not path.is_symlink():
            return "It is no file." if path.exists() else "It was there, and is gone."
    except OSError as error:
        return f"It cannot be reached: {error.strerror}."
    if not inside:
        return "It is a link that leads elsewhere. Name what it leads to in 'from'."
    if target.is_dir():
        return "It is a link to a folder, which is not entered. Name that folder in 'from'."
    return "It is a link that leads nowhere. Mend it, or delete it."


def _unfit_name(path: Path) -> str:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "Its name is not in UTF-8. Rename it."
    return ""


def _walk(folder: Path, pattern: tuple[str, ...], ignored: Ignored) -> Iterator[tuple[Path, str]]:
    """Yield what lies below `folder` and fits the parts of `pattern`; ``**`` fits any number.

    With it comes why it cannot be looked at, if that is so.
    """
    head, rest = pattern[0], pattern[1:]
    if head == "**" and rest:
        yield from _walk(folder, rest, ignored)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not (head == "**" or fnmatchcase(entry.name, head)):
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            if ignored.covers(entry.path, is_folder=is_folder):
                continue
            if is_folder:
                below = Path(entry.path)
                try:
                    inner = ignored.below(below)
                    yield from _walk(below, pattern if head == "**" else rest or ("**",), inner)
                except OSError as error:
                    yield below, f"The folder cannot be listed: {error.strerror}."
            elif not rest:
                yield Path(entry.path), ""
