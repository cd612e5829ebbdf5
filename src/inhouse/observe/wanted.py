"""What somebody looks for among traces, as SQL and as an expression over Parquet columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from inhouse.core.nouns import SHADOW, TraceState
from inhouse.observe.rows import Row, check_texts, texts

Thumb = Literal["good", "bad", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which traces are looked for; what is left out does not matter.

    `since` and `until` are seconds since 1970, the second one exclusive. `endpoint` and `model`
    are references, of every version if they name none. `id` may be cut short. `contains` is
    found in what was asked, answered or went wrong, in upper or lower case. `feedback` is what
    was said about them; `among` are whole ids. `shadow` is True for what was only recorded, False
    for what was shown, None for both.
    """

    since: float = 0.0
    until: float = float("inf")
    actor: str = ""
    endpoint: str = ""
    model: str = ""
    state: TraceState | None = None
    id: str = ""
    contains: str = ""
    feedback: Thumb | None = None
    among: frozenset[str] | None = None
    shadow: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what no trace can have.

        Raises:
            BadInput: half a character, or a byte that is no text.
        """
        check_texts((self.actor, self.endpoint, self.model, self.id, self.contains))

    def sql(self) -> tuple[str, list[Any]]:
        """Return the condition for SQLite, with its values; without state and contents."""
        terms = ["at >= ?", "at < ?"]
        values: list[Any] = [self.since, self.until]
        if self.actor:
            terms.append("actor = ?")
            values.append(self.actor)
        for column, name in (("endpoint", self.endpoint), ("model", self.model)):
            if name:
                terms.append(f"({column} = ? OR substr({column}, 1, ?) = ?)")
                values += [name, len(_prefix(name)), _prefix(name)]
        if self.id:
            terms.append("id >= ? AND substr(id, 1, ?) = ?")
            values += [self.id, len(self.id), self.id]
        if self.among is not None:
            terms.append("id IN (SELECT value FROM json_each(?))")
            values.append(orjson.dumps(sorted(self.among)).decode())
        if self.shadow is not None:
            terms.append(f"(substr(id, 1, ?) = ?) = {int(self.shadow)}")
            values += [len(SHADOW), SHADOW]
        return " AND ".join(terms), values

    def expression(self) -> Any:  # noqa: ANN401
        """Return the condition for Parquet, as an expression of pyarrow; without contents."""
        import pyarrow.compute as pc

        found = (pc.field("at") >= self.since) & (pc.field("at") < self.until)
        for column, exact in (("actor", self.actor), ("state", self.state)):
            if exact:
                found &= pc.field(column) == exact
        for column, name in (("endpoint", self.endpoint), ("model", self.model)):
            if name:
                field = pc.field(column)
                found &= (field == name) | pc.starts_with(field, _prefix(name))
        if self.id:
            found &= pc.starts_with(pc.field("id"), self.id)
        if self.among is not None:
            found &= pc.field("id").isin(sorted(self.among))
        if self.shadow is not None:
            shadow = pc.starts_with(pc.field("id"), SHADOW)
            found &= shadow if self.shadow else ~shadow
        return found

    def in_text(self, row: Row) -> bool:
        """Say whether a row has the wanted text in what was asked, answered or went wrong."""
        needle = self.contains.casefold()
        # As it would stand in the JSON, keys and all: a quick no for most.
        if orjson.dumps(needle).decode()[1:-1] not in row.body.casefold():
            return False
        body = orjson.loads(row.body)
        said = texts([body["request"], body["answer"], body["error"]])
        return any(needle in text.casefold() for text in said)

    def covers(self, first: float, last: float) -> bool:
        """Say whether a stretch of time may hold something wanted."""
        return first < self.until and last >= self.since


def _prefix(name: str) -> str:
    return name if "@" in name else f"{name}@"
