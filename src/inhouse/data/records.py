"""Sections as records, a JSON object or a row of a table each: ``id``, ``heading`` and ``text``.

The records of a file are one document. A heading "Travel > Flights" stands below "Travel", and the
id is the anchor that a citation leads to, spaces and braces written as in a URL. A record without
a heading stands under its first line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from urllib.parse import quote

from inhouse.core.errors import BadInput
from inhouse.data.blocks import DEEPEST, heading
from inhouse.data.parts import LeftOut, Part
from inhouse.data.tables import DELIMITERS, LENIENT, Fields, fields_of_line, fields_of_row
from inhouse.data.text import decode, plain
from inhouse.models.headings import headings

SEPARATOR = " > "
WRITE = "Write 'text' into it, and 'id' and 'heading' if it has them."
# What may begin a block that swallows the next heading, or be a heading itself.
RISKY = re.compile(r"^ {0,3}(?:#|=|-|```|~~~|<)", re.MULTILINE)
OPENING = re.compile(r"^( {0,3})(?=```|~~~|<)", re.MULTILINE)
LONGEST = 2**31 - 1
LONGEST_TITLE = 12
NOT_IN_ANCHOR = re.compile(r"[\s{}%]")

# The size of a file is the limit; the library's own holds for the whole process.
csv.field_size_limit(LONGEST)

Record = tuple[str, tuple[str, ...], str]


def read_jsonl(data: bytes) -> Iterator[Part | LeftOut]:
    """Yield the document of a file with a JSON object a line, and the lines that are none.

    Raises:
        BadInput: it is no text, or in another encoding than UTF-8.
    """
    return _document(_objects(data))


def read_csv(data: bytes) -> Iterator[Part | LeftOut]:
    """Yield the document of a table, and the rows that do not fit its head.

    Columns are divided by commas, semicolons or tabs.

    Raises:
        BadInput: it is no text, in another encoding than UTF-8, or has no column ``text``.
    """
    return _document(_rows(decode(data, errors=LENIENT)))


def rows(text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a table with the number of the line in which each ends.

    Raises:
        BadInput: a quotation has no end.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    ended = 0
    try:
        for row in reader:
            ended = reader.line_num
            yield ended, row
    except csv.Error as error:
        raise BadInput(
            f"The row that begins in line {ended + 1} is none of a table: {error}.",
            "Mend the quotes in it.",
        ) from error


def _rows(text: str) -> Iterator[tuple[int, Fields | str]]:
    first = text.partition("\n")[0]
    heads = {d: next(csv.reader([first], delimiter=d), []) for d in DELIMITERS}
    delimiter = next((d for d, head in heads.items() if "text" in _names(head)), None)
    if delimiter is None:
        raise BadInput(
            "Its first line names no column 'text'.",
            "Write 'id', 'heading' and 'text' over the columns.",
        )
    names = _names(heads[delimiter])
    number = 1
    try:
        for number, row in rows(text, delimiter):
            if number > 1 and row:
                yield number, fields_of_row(row, names)
    except BadInput as unfit:  # where a quotation that has no end would end, nobody can tell
        yield number + 1, f"{unfit} What stands behind it was not read."


def _names(head: Iterable[str]) -> list[str]:
    return [name.strip().lower() for name in head]


def _objects(data: bytes) -> Iterator[tuple[int, Fields | str]]:
    for number, line in enumerate(decode(data, errors=LENIENT).split("\n"), 1):
        if line.strip():
            yield number, fields_of_line(line)


def _document(found: Iterable[tuple[int, Fields | str]]) -> Iterator[Part | LeftOut]:
    """Yield what is left out, then the document, with a heading wherever the path changes."""
    blocks: list[str] = []
    lines: dict[str, int] = {}
    above: tuple[str, ...] = ()
    for number, fields in found:
        record = fields if isinstance(fields, str) else _record(fields, number)
        if not isinstance(record, str) and record[0] in lines:
            where = f"that of line {lines[record[0]]}"
            record = f"Its id {record[0]!r} is {where}. Give each record an id of its own."
        if isinstance(record, str):
            yield LeftOut(f":{number}", record)
            continue
        anchor, path, text = record
        if anchor:
            lines[anchor] = number
        blocks += _headings(path, above, anchor)
        blocks.append(_contained(text))
        above = path
    yield Part("", "".join(block + "\n\n" for block in blocks))


def _record(fields: Fields, number: int) -> Record | str:
    """Return id, path of headings and text, or what is wrong with them and how to mend it."""
    id, title, text = (fields.get(key) for key in ("id", "heading", "text"))
    if text is not None and not isinstance(text, str):
        return "Its 'text' is not text. Put it between quotes."
    if not text or not text.strip():
        return f"It has no text. {WRITE}"
    if not isinstance(title, str | None):
        return "Its 'heading' is not text. Put it between quotes."
    if isinstance(id, bool) or not isinstance(id, str | int | None):
        return "Its 'id' is neither text nor a whole number. Put it between quotes."
    if "\0" in f"{id}{title}{text}":
        return "It holds null characters, so it is not text. Take them out."
    names = [" ".join(name.split()) for name in (title or "").split(SEPARATOR)]
    path = [name for name in names if name]
    if len(path) > DEEPEST:
        path[DEEPEST - 1 :] = [SEPARATOR.join(path[DEEPEST - 1 :])]
    name = "" if id is None else str(id)
    path = path or [_title(text) or name or f"Record {number}"]
    anchor = NOT_IN_ANCHOR.sub(lambda found: quote(found[0]), name)
    return anchor, tuple(path), text.strip()


def _title(text: str) -> str:
    """Return the first line of a text that has more, if it is short enough for a heading."""
    first, _, rest = text.strip().partition("\n")
    words = first.split()
    return " ".join(words) if rest and len(words) <= LONGEST_TITLE else ""


def _headings(path: tuple[str, ...], above: tuple[str, ...], anchor: str) -> Iterator[str]:
    """Yield the headings of a record that do not stand above it already; its own always does."""
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(path, above, strict=False))
    )
    last = len(path) - 1
    for depth in range(min(same, last), len(path)):
        yield heading(depth + 1, path[depth], anchor if depth == last else "")


def _contained(text: str) -> str:
    """Return Markdown as it is if it ends with itself; else as plain text that does."""
    if not RISKY.search(text):
        return text
    if [heading.text for heading in headings(f"{text}\n\n# End")] == ["End"]:
        return text
    return OPENING.sub(r"\1\\", plain(text))
