"""The account of a cleaned data set: which rows went at which step, and the funnel they went down.

It says where every row is; deciding that is the business of the steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inhouse.catalog.rows import Kind, schema
from inhouse.data.step import Batch, Note, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

DROPPED = "dropped.parquet"
FLAGGED = "flagged.parquet"
# About what byte-level vocabularies make of English prose.
CHARACTERS_PER_TOKEN = 4
NOTES = ("step", "name", "rule", "value", "limit", "kept")


def flagged_schema() -> pa.Schema:
    """Return the columns of what is noted of rows: the step by number from 1 and by name."""
    import pyarrow as pa

    types = {"id": pa.string(), **dict.fromkeys(NOTES, pa.string()), "step": pa.int32()}
    return pa.schema([pa.field(name, type, nullable=False) for name, type in types.items()])


def dropped_schema(kind: Kind) -> pa.Schema:
    """Return the columns of rows that went: what they were, and the note on why."""
    import pyarrow as pa

    noted = [found for found in flagged_schema() if found.name != "id"]
    return pa.schema([*schema(kind), *noted], metadata=schema(kind).metadata)


@dataclass(slots=True)
class Count:
    """What is left behind a step, and what it did: rows by rule."""

    rows: int = 0
    characters: int = 0
    changed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)

    def add(self, plain: Mapping[str, Any]) -> None:
        """Add what was counted elsewhere."""
        self.rows += plain["rows"]
        self.characters += plain["characters"]
        self.changed += plain["changed"]
        self.dropped.update(plain["dropped"])
        self.flagged.update(plain["flagged"])

    def plain(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {
            "rows": self.rows,
            "characters": self.characters,
            "changed": self.changed,
            "dropped": dict(sorted(self.dropped.items())),
            "flagged": dict(sorted(self.flagged.items())),
        }


def size(batch: Batch) -> int:
    """Return the characters of the texts of a batch."""
    import pyarrow.compute as pc

    return int(pc.sum(pc.utf8_length(batch.texts)).as_py() or 0)


def count(before: Batch, verdict: Verdict, after: Batch) -> Count:
    """Return what a step did to a batch."""
    changed = 0
    if verdict.rows is not None:
        import pyarrow.compute as pc

        anew = Batch(before.kind, verdict.rows)
        changed = int(pc.sum(pc.not_equal(before.texts, anew.texts)).as_py() or 0)
    return Count(
        len(after),
        size(after),
        changed,
        Counter(note.rule for note in verdict.dropped),
        Counter(note.rule for note in verdict.flagged),
    )


def noted(ids: Sequence[str], notes: Iterable[Note], step: int, name: str) -> pa.Table:
    """Return notes as rows of an account."""
    import pyarrow as pa

    found = [
        {"id": ids[n.row], "step": step, "name": name, "rule": n.rule}
        | {"value": n.value, "limit": n.limit, "kept": n.kept}
        for n in notes
    ]
    return pa.Table.from_pylist(found, flagged_schema())


def dropped(batch: Batch, notes: Iterable[Note], step: int, name: str) -> pa.Table:
    """Return the rows that go as they were, with the notes on why."""
    ordered = sorted(notes, key=lambda note: note.row)
    why = noted(batch.ids, ordered, step, name)
    rows = batch.taken([note.row for note in ordered])
    for column in NOTES:
        rows = rows.append_column(why.schema.field(column), why.column(column))
    return rows.cast(dropped_schema(batch.kind))


def tokens(size: int) -> int:
    """Return about how many tokens so many characters are."""
    return round(size / CHARACTERS_PER_TOKEN)
