"""The stage that turns files into rows of a kind, with a ledger of what it left out and why."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from inhouse.catalog.rows import Kind, row_of, write_rows
from inhouse.core.errors import BadInput, UserError
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.data.columns import Shape
from inhouse.data.earlier import Earlier, earlier
from inhouse.data.files import relative
from inhouse.data.parts import LeftOut
from inhouse.data.reading import Reading, holds_sections, shape_in
from inhouse.data.tables import is_table
from inhouse.data.text import mebibytes
from inhouse.data.typed import size, typed_rows

LEDGER = "ledger.jsonl"
ADDED = {"identity": "unless default"}
LARGEST = 50 * 2**20
LARGEST_EXPORT = 500 * 2**20


@dataclass(frozen=True, slots=True)
class Collect:
    """The files of a source: path and sha256 of each, in order; `root` is where they lie.

    `left_out` is what was not even looked at: path and reason. Nobody who does not know the `salt`
    can tell from a version whether the files are those that they guess. `modified` are seconds
    since 1970 by path; one that is not there is unknown. `kind`, `schema`, `sections` and `shown`
    are those of `inhouse.data.reading`. If it is `strict`, what would be left out stops it.
    """

    files: tuple[tuple[str, str], ...]
    root: str = field(metadata={"identity": False})
    left_out: tuple[tuple[str, str], ...] = ()
    salt: str = ""
    modified: Mapping[str, float] = field(default_factory=dict, metadata={"identity": False})
    kind: Kind = field(default="documents", metadata=ADDED)
    schema: tuple[tuple[str, str], ...] = field(default=(), metadata=ADDED)
    sections: bool = field(default=True, metadata=ADDED)
    shown: str = field(default="", metadata={"identity": False})
    strict: bool = field(default=False, metadata={"identity": False})

    @classmethod
    def of(
        cls, digests: Mapping[Path, str], left_out: Mapping[Path, str], root: Path, *, salt: str
    ) -> Collect:
        """Return the spec of files with their sha256, and of what is left out with the reasons."""
        files, unread = (
            tuple((relative(path, root), of[path]) for path in sorted(of))
            for of in (digests, left_out)
        )
        return cls(files, str(root), unread, salt)

    @property
    def reading(self) -> Reading:
        """How the files are read."""
        return Reading(self.kind, self.schema, self.sections)


def run(spec: Collect, inputs: Inputs, ctx: Context) -> Result:
    """Write the rows in ``rows.parquet`` and what was left out in ``ledger.jsonl``.

    A file that was one document in ``ctx.previous``, and is the same, is not read again.

    Raises:
        UserError: a file is not the one in `spec` any more; or something would be left out, and
            `spec` is strict.
    """
    ledger = Ledger(spec.strict)
    for path, reason in spec.left_out:
        ledger.add(path, reason)

    def files(before: Earlier) -> Iterator[tuple[str, Iterator[dict[str, Any] | LeftOut]]]:
        for done, (path, digest) in enumerate(spec.files, 1):
            yield path, _read(spec, path, digest, before)
            ctx.progress(done, len(spec.files), "files")

    with earlier(ctx.previous, STAGE) as before:
        counts = filled(ctx.work, spec.kind, files(before), ledger)
    return Result(counts | ({"read as": spec.shown} if spec.shown else {}))


STAGE = Stage("data.collect", 11, run)


class Ledger:
    """What was left out, and why; if it is `strict`, nothing may be."""

    def __init__(self, strict: bool) -> None:
        self.lines: list[dict[str, str]] = []
        self._strict = strict

    def add(self, path: str, reason: str) -> None:
        """Note what is left out.

        Raises:
            UserError: it is strict.
        """
        if self._strict:
            raise stopped(path, reason)
        self.lines.append({"path": path, "reason": reason})

    def write(self, folder: Path) -> None:
        """Write the lines to a folder."""
        with (folder / LEDGER).open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines)


def filled(
    folder: Path,
    kind: Kind,
    files: Iterable[tuple[str, Iterator[dict[str, Any] | LeftOut]]],
    ledger: Ledger,
) -> dict[str, Any]:
    """Write the rows of files, each with its path, and the ledger; return the counts of both.

    What is left out, or makes the rest of a file unreadable, goes to the ledger.
    """
    rows = characters = 0

    def kept() -> Iterator[dict[str, Any]]:
        nonlocal rows, characters
        for path, found in files:
            try:
                for one in found:
                    if isinstance(one, LeftOut):
                        ledger.add(path + one.place, one.reason)
                        continue
                    rows += 1
                    characters += size(one)
                    yield one
            except BadInput as unfit:
                ledger.add(path, str(unfit))

    write_rows(folder, kind, kept())
    ledger.write(folder)
    return {kind: rows, "skipped": len(ledger.lines), "characters": characters}


def stopped(path: str, reason: str) -> UserError:
    """Return the error of a run that may leave nothing out."""
    return UserError(f"{path}: {reason}", "Without --strict it is left out, and the rest goes on.")


def _read(
    spec: Collect, path: str, digest: str, before: Earlier
) -> Iterator[dict[str, Any] | LeftOut]:
    from inhouse.data.parse import CONTAINERS, documents

    file, modified = Path(spec.root) / path, spec.modified.get(path, 0.0)
    if is_table(path):
        with _opened(file, digest) as table:
            if not holds_sections(path, table, spec.reading):
                shape = shape_in(path, table, spec.reading)
                yield from rows_of(path, table, shape, modified, spec.salt)
                return
    elif spec.kind != "documents":
        raise BadInput("It holds no rows.", "Leave it out of the source, or write them as .jsonl.")
    known = before.document(path, digest)
    if known and Path(path).suffix.lower() not in CONTAINERS:
        yield row_of(replace(known, modified=modified))
        return
    for found in documents(path, _verified(file, digest), digest, modified):
        yield found if isinstance(found, LeftOut) else row_of(found)


def rows_of(
    path: str, table: BinaryIO, shape: Shape, modified: float = 0.0, salt: str = ""
) -> Iterator[dict[str, Any] | LeftOut]:
    """Yield the rows of a table as a data set keeps them, and those that do not fit.

    Args:
        path: what the table is called; the ids of the rows begin with it.
        table: the file, opened from its beginning.
        shape: what its columns hold.
        modified: when the file was, in seconds since 1970, 0.0 if unknown.
        salt: without which nobody can tell from an id what a row says.

    Raises:
        BadInput: nothing in it can be read.
    """
    for row in typed_rows(path, table, shape, salt):
        if isinstance(row, LeftOut):
            yield row
        elif shape.kind == "documents":
            yield {"id": path + row.place, "modified": modified, **row.values}
        else:
            yield {"id": path + row.place, "source": f"{path}:{row.line}", **row.values}


@contextmanager
def _opened(file: Path, digest: str) -> Iterator[BinaryIO]:
    """Open a file of any size, which is still the one that was planned with, and stays it."""
    try:
        with file.open("rb") as opened:
            before = os.fstat(opened.fileno())
            if hashlib.file_digest(opened, "sha256").hexdigest() != digest:
                raise _changed(file)
            opened.seek(0)
            yield opened
            after = os.fstat(opened.fileno())
    except OSError as error:
        raise _changed(file) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _changed(file)


def _verified(file: Path, digest: str) -> bytes:
    """Return the bytes of `file`, which are still those that were planned with."""
    limit = LARGEST_EXPORT if file.suffix.lower() == ".zip" else LARGEST
    try:
        size = file.stat().st_size
        data = file.read_bytes() if size <= limit else None
    except OSError as error:
        raise _changed(file) from error
    if data is None:
        raise BadInput(
            f"It has {mebibytes(size)}, more than the {mebibytes(limit)} that are read.",
            "Split it into parts.",
        )
    if hashlib.sha256(data).hexdigest() != digest:
        raise _changed(file)
    return data


def _changed(file: Path) -> UserError:
    return UserError(f"{file} changed while it was read.", "Run it again.")
