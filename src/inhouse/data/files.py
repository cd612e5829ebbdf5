"""Which files a source is made of. Reading them is `collect`'s business.

A pattern is a file, a folder (everything below it) or a glob with ``*``, ``?``, ``[...]`` and
``**``. Names that begin with a dot are found only where the pattern spells them out. What a git
repository leaves out is the business of `ignore`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from inhouse.core.errors import BadInput
from inhouse.data.ignore import Ignored

WILD = re.compile(r"[*?\[]")


def find(patterns: Sequence[str], root: Path) -> list[Path]:
    """Return the files that `patterns` name, absolute and sorted, each once.

    In a git repository, a folder with a ``.git`` in it, what its ``.gitignore`` files name is left
    out unless the pattern spells it out. Links to folders are not entered. A link to a file is
    taken only if the file lies below `root` or below the folder that the pattern spells out.
    """
    return survey(patterns, root)[0]


def survey(patterns: Sequence[str], root: Path) -> tuple[list[Path], list[Path]]:
    """Return what `find` does, and the links that are left out since they lead elsewhere.

    Args:
        patterns: files, folders or globs; relative ones start at `root`.
        root: folder of the project.

    Raises:
        BadInput: a pattern matches no file, a folder cannot be listed or a ``.gitignore`` read.
    """
    found: dict[Path, bool] = {}
    for pattern in patterns:
        try:
            matched = dict(_matches(pattern, root.absolute()))
        except OSError as error:
            raise BadInput(
                f"{error.filename} cannot be listed: {error.strerror}.",
                f"Make it readable, or leave it out of the pattern {pattern!r}.",
            ) from error
        if not matched:
            raise BadInput(
                f"Nothing matches {pattern!r} in {root}.",
                "Name a file, a folder or a pattern such as './docs/**/*.md'.",
            )
        found |= {path: taken or found.get(path, False) for path, taken in matched.items()}
    paths = sorted(found)
    return [path for path in paths if found[path]], [path for path in paths if not found[path]]


def relative(path: Path, root: Path) -> str:
    """Return a file's path as its source calls it: below `root`, or absolute if outside.

    Raises:
        BadInput: the name is not in UTF-8.
    """
    root = root.absolute()
    name = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"The name of {name!r} is not in UTF-8.", "Rename the file.") from error
    return name


def base(pattern: str, root: Path) -> Path:
    """Return the file or folder that the pattern spells out, absolute; all matches lie in it."""
    return _parts(pattern, root.absolute())[0]


def _parts(pattern: str, root: Path) -> tuple[Path, tuple[str, ...]]:
    """Return what a pattern spells out, and the parts behind it."""
    parts = Path(os.path.expanduser(pattern)).parts
    fixed = next((i for i, part in enumerate(parts) if WILD.search(part)), len(parts))
    return Path(os.path.normpath(root.joinpath(*parts[:fixed]))), parts[fixed:]


def _matches(pattern: str, root: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the files that fit, and the links that lead elsewhere; the truth tells them apart."""
    start, wild = _parts(pattern, root)
    if start.is_file() and not wild:
        yield start, True
    elif start.is_dir():
        homes = (start.resolve(), root.resolve())
        for path in _walk(start, wild or ("**",), Ignored().below(start)):
            target = path.resolve()
            inside = any(target.is_relative_to(home) for home in homes)
            if inside and target.is_file():
                yield path, True
            elif not inside and path.is_symlink():
                yield path, False


def _walk(folder: Path, pattern: tuple[str, ...], ignored: Ignored) -> Iterator[Path]:
    """Yield what lies below `folder` and fits the parts of `pattern`; ``**`` fits any number."""
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
                parts = pattern if head == "**" else rest or ("**",)
                yield from _walk(below, parts, ignored.below(below))
            elif not rest:
                yield Path(entry.path)
