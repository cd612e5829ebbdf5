"""Which reading a source of files is given: of which kind it is, and how its tables are read.

A table is a file of rows. Its rows are sections of one document, or each one by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from inhouse.catalog.rows import Kind
from inhouse.core.errors import BadInput
from inhouse.data.columns import Shape, are_sections, kind_of_roles, shape_of
from inhouse.data.tables import head, is_table, rows


@dataclass(frozen=True, slots=True)
class Reading:
    """The kind of a source, and the schema that its owner gave: pairs of role and column.

    With `sections`, a table with a column ``heading`` is one document, and its rows are sections.
    `shown` is what was seen in the first table, for people.
    """

    kind: Kind = "documents"
    schema: tuple[tuple[str, str], ...] = ()
    sections: bool = True
    shown: str = ""


def reading_of(
    files: Sequence[Path],
    *,
    kind: Kind | None = None,
    given: Mapping[str, str] | None = None,
    sections: bool = True,
) -> Reading:
    """Return how files are read.

    What is given counts. Else a source of tables alone is what the columns of the first one say,
    and any other is of documents; a file that nobody reads decides nothing. Without `sections`,
    each row of a table is one by itself.

    Raises:
        BadInput: the first table has other columns than are given, or they do not tell what they
            hold.
    """
    from inhouse.data.parse import is_document

    tables = [file for file in files if is_table(file.name)]
    told = bool(kind or given or not sections)
    pages = [file for file in files if is_document(file.name) and file not in tables]
    if not told and (pages or not tables):
        mixed = f"documents: of pages, such as {pages[0].name}, and of tables" if tables else ""
        return Reading(shown=mixed)
    for file in tables:
        try:
            with file.open("rb") as opened:
                first = head(file.name, opened)
        except (OSError, BadInput):
            continue  # that it cannot be read is told when it is read
        if not told and are_sections(first):
            return Reading()
        if first:
            try:
                shape = shape_of(first, kind=kind, given=given)
            except BadInput as error:
                raise BadInput(f"{file.name}: {error.what}", error.fix) from error
            return Reading(shape.kind, tuple((given or {}).items()), not told, str(shape))
    kind = kind or kind_of_roles(list(given or ())) or "documents"
    return Reading(kind, tuple((given or {}).items()), not told)


def holds_sections(path: str, file: BinaryIO, reading: Reading) -> bool:
    """Say whether the rows of a table are the sections of one document.

    Args:
        path: where it lies; the ending tells the format.
        file: the table, opened; it stands at its beginning again afterwards.
        reading: how its source is read.

    Raises:
        BadInput: it cannot be read.
    """
    if not reading.sections or reading.kind != "documents":
        return False
    first = head(path, file)
    file.seek(0)
    return are_sections(first)


def shape_in(path: str, file: BinaryIO, reading: Reading) -> Shape:
    """Return the shape of a table whose rows stand by themselves; arguments as above.

    Raises:
        BadInput: it cannot be read, or has not the columns that the reading wants.
    """
    first = head(path, file)
    file.seek(0)
    if not first:
        line, why = next(rows(path, file), (0, ""))
        raise BadInput(
            "It has no rows that can be read." if why else "It has no rows.",
            f"Line {line}: {why}" if why else "Write some, or leave it out of the source.",
        )
    return shape_of(first, kind=reading.kind, given=dict(reading.schema))
