"""Rows of files: JSON lines, lists of JSON, CSV and Parquet, read bit by bit within bounds.

What the columns mean is the business of `columns`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import orjson

from inhouse.core.errors import BadInput
from inhouse.data.archive import MOST_SHRUNK, SMALL
from inhouse.data.text import mebibytes

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

Fields = Mapping[str, Any]
Line = tuple[int, Fields | str]
"""A row with the number of its line, from 1 on; or what is wrong with it and how to mend it."""

DELIMITERS = ",;\t"
LONGEST_LINE = 50 * 2**20
LARGEST_LIST = 500 * 2**20
BATCH = 256
# One bad byte costs one record: it comes through as half a character, which no text has.
LENIENT = "surrogateescape"
HALF = re.compile(r"[\ud800-\udfff]")
NO_TEXT = "It is not utf-8 text. Save it as UTF-8."
TOO_LONG = f"It has more than the {mebibytes(LONGEST_LINE)} that are read of a line. Divide it."
REST = "What stands behind it was not read."
BROKEN_GZIP = (gzip.BadGzipFile, zlib.error, EOFError)


def is_table(path: str) -> bool:
    """Say whether a file of that name may hold rows."""
    return _ending(path) in READERS


def rows(path: str, file: BinaryIO) -> Iterator[Line]:
    """Yield the rows of a file.

    Args:
        path: where it lies; the ending tells the format: ``.jsonl``, ``.jsonl.gz``, ``.json`` with
            a list in it, ``.csv`` or ``.parquet``.
        file: the file, opened from its beginning.

    Raises:
        BadInput: nothing in it can be read. Where only what comes later cannot be, that is told
            as a line, the last one.
    """
    return READERS[_ending(path)](file)


def head(path: str, file: BinaryIO, *, most: int = 20) -> Sequence[Fields]:
    """Return the first rows that can be read.

    Raises:
        BadInput: nothing in the file can be read.
    """
    lines = islice(rows(path, file), 10 * most)
    return list(islice((fields for _, fields in lines if not isinstance(fields, str)), most))


def _ending(path: str) -> str:
    name = PurePosixPath(path).name.lower()
    return next((e for e in READERS if name.endswith(e)), "")


def _jsonl(file: IO[bytes]) -> Iterator[Line]:
    for number, line in _lines(file):
        if line is None:
            yield number, TOO_LONG
        elif line.strip():
            yield number, fields_of_line(line)


def _packed(file: IO[bytes]) -> Iterator[Line]:
    number = 0
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            for number, fields in _jsonl(io.BufferedReader(_Bounded(stream, _size(file)))):
                yield number, fields
    except (*BROKEN_GZIP, BadInput) as error:
        why = error.what if isinstance(error, BadInput) else "It is a broken gzip file."
        if number == 0:
            raise BadInput(why, "Pack it again.") from error
        yield number + 1, f"{why} {REST}"


def _json(file: IO[bytes]) -> Iterator[Line]:
    data = file.read(LARGEST_LIST + 1)
    if len(data) > LARGEST_LIST:
        raise BadInput(
            f"It has more than the {mebibytes(LARGEST_LIST)} that are read of a list.",
            "Write a row a line, as .jsonl.",
        )
    try:
        found = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise BadInput(
            f"It is not JSON: {error.msg} in line {error.lineno}.", "Mend it there."
        ) from error
    if not isinstance(found, list):
        raise BadInput("It is no list of JSON objects.", "Write [{…}, {…}], or a row a line.")
    for number, row in enumerate(found, 1):
        yield number, row if isinstance(row, dict) else "It is not a JSON object. Write {…}."


def _csv(file: IO[bytes]) -> Iterator[Line]:
    """Yield the rows of a table; whichever delimiter parts its first line most often is its own."""
    csv.field_size_limit(LONGEST_LINE)
    lines = _lines(file)
    _, first = next(lines, (1, ""))
    if not first or not first.strip():
        what = "Its first line is empty or far too long." if first != "" else "It is empty."
        raise BadInput(what, "Write the names of the columns into it.")
    delimiter = max(DELIMITERS, key=lambda d: len(next(csv.reader([first], delimiter=d), [])))
    too_long: list[Line] = []
    reader = csv.reader(_short(first, lines, too_long), delimiter=delimiter, strict=True)
    ended, names = 0, None
    try:
        for row in reader:
            ended = reader.line_num
            if names is None:
                names = _names(row)
            elif row:
                yield ended, fields_of_row(row, names)
    except csv.Error as error:  # where a quotation that has no end would end, nobody can tell
        yield (
            ended + 1,
            f"The row that begins in line {ended + 1} is none of a table: {error}. Mend the quotes "
            f"in it. {REST}",
        )
    yield from too_long


def _names(head: Sequence[str]) -> Sequence[str]:
    names = [name.strip() for name in head]
    twice = [name for place, name in enumerate(names) if name and name in names[:place]]
    if twice:
        raise BadInput(f"Two of its columns are called {twice[0]!r}.", "Rename one of them.")
    return names


def _parquet(file: IO[bytes]) -> Iterator[Line]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with ParquetFile(file) as opened:
            names = _class_names(opened)
            for batch in opened.iter_batches(BATCH, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row | {n: _named(row[n], names[n]) for n in names}
    except (ArrowException, OSError) as error:
        first = str(error).strip().partition("\n")[0][:200]
        if number == 0:
            raise BadInput(
                f"It is not a Parquet file that can be read: {first.rstrip('.')}.",
                "Write it again.",
            ) from error
        yield number + 1, f"It cannot be read from there on: {first} {REST}"


READERS: Mapping[str, Callable[[IO[bytes]], Iterator[Line]]] = {
    ".jsonl": _jsonl,
    ".jsonl.gz": _packed,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _lines(file: IO[bytes]) -> Iterator[tuple[int, str | None]]:
    r"""Yield the lines of a text with their numbers, ended by ``\n``; None for one too long."""
    text = io.TextIOWrapper(file, _encoding(file), errors=LENIENT, newline=None)
    try:
        number = 0
        while line := text.readline(LONGEST_LINE):
            number += 1
            whole = len(line) < LONGEST_LINE
            yield number, line if whole else None
            while len(line) == LONGEST_LINE and not line.endswith("\n"):
                line = text.readline(LONGEST_LINE)
    except UnicodeError as error:
        raise BadInput(f"It is no text: {error}.", "Save it as UTF-8.") from error
    finally:
        if not file.closed:
            text.detach()


def _encoding(file: IO[bytes]) -> str:
    """Return the encoding that a byte order mark names, UTF-8 if there is none."""
    from inhouse.data.text import MARKS

    start = file.peek(4)[:4] if isinstance(file, io.BufferedReader) else file.read(4)
    if not isinstance(file, io.BufferedReader):
        file.seek(0)
    return next((name for mark, name in MARKS if start.startswith(mark)), "utf-8")


def fields_of_line(line: str) -> Fields | str:
    """Return the fields of a line with a JSON object, or what is wrong with it."""
    if HALF.search(line):
        return NO_TEXT
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return f"It is not JSON: {error.msg} at column {error.colno}. Mend the line."
    return found if isinstance(found, dict) else "It is not a JSON object. Write {…}."


def fields_of_row(row: Sequence[str], names: Sequence[str]) -> Fields | str:
    """Return the fields of a row of a table under the names of its head, or what is wrong."""
    if any(map(HALF.search, row)):
        return NO_TEXT
    if len(row) == len(names):
        return dict(zip(names, row, strict=True))
    columns = "1 column" if len(row) == 1 else f"{len(row)} columns"
    return (
        f"It has {columns}, and the head has {len(names)}. "
        "Put what holds the delimiter between quotes, and leave no column out."
    )


def _short(
    first: str, lines: Iterator[tuple[int, str | None]], too_long: list[Line]
) -> Iterator[str]:
    """Yield the lines of a table up to one that is too long: quotes in it may part rows or not."""
    yield first
    for number, line in lines:
        if line is None:
            too_long.append((number, f"{TOO_LONG} {REST}"))
            return
        yield line


def _class_names(opened: ParquetFile) -> dict[str, Sequence[str]]:
    """Return the names behind numbered classes, as the hub's data sets keep them."""
    kept = (opened.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = json.loads(kept).get("info", {}).get("features", {})
        classes = {n: f["names"] for n, f in features.items() if f.get("_type") == "ClassLabel"}
    except (ValueError, AttributeError, KeyError):
        return {}  # what somebody wrote there only looks like it
    return {name: classes[name] for name in classes if name in opened.schema_arrow.names}


def _named(value: object, names: Sequence[str]) -> object:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _size(file: IO[bytes]) -> int:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


class _Bounded(io.RawIOBase):
    """What comes out of a packed file, up to a size beyond which it was made to fill memory."""

    def __init__(self, stream: gzip.GzipFile, packed: int) -> None:
        self._stream = stream
        self._left = MOST_SHRUNK * max(packed, SMALL)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        """Fill `buffer`, and return with how many bytes."""
        found = self._stream.read(len(buffer))
        self._left -= len(found)
        if self._left < 0:
            raise BadInput(f"It would unpack to {MOST_SHRUNK} times its size.", "Pack it again.")
        buffer[: len(found)] = found
        return len(found)
