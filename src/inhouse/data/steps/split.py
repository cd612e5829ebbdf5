"""Divides rows into parts such as train and test: near-copies of one row are never in two parts.

A row's part follows from the contents of its group, so it stays where it is when other rows come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from inhouse.core.artifact import NAME
from inhouse.core.errors import BadInput
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Seen, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

CODE = 1
NEEDS: tuple[str, ...] = ()
CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Split:
    """The parts and their shares, which make up one; `seed` divides in another way."""

    parts: tuple[str, ...]
    shares: tuple[float, ...] = field(metadata={"least": 0, "most": 1})
    seed: int = 0

    def __post_init__(self) -> None:
        for part in self.parts:
            if not NAME.match(part) or "/" in part:
                raise BadInput(
                    f"{part!r} is no name of a part.",
                    "Use lower-case letters, digits, '.', '_' and '-'.",
                )
        if len(self.parts) < 2 or len(set(self.parts)) < len(self.shares):
            raise BadInput("there are no two parts.", "Write such as {train: 0.9, test: 0.1}.")
        if abs(sum(self.shares) - 1) > CLOSE or min(self.shares) <= 0:
            raise BadInput(
                f"the shares make {sum(self.shares):g}.",
                "Write shares that make up 1, all above 0.",
            )


def read(value: object) -> Split:
    """Return the settings of ``{split: {train: 0.9, test: 0.1}}``."""
    if not isinstance(value, Mapping):
        raise BadInput("it names no parts.", "Write such as {split: {train: 0.9, test: 0.1}}.")
    if "parts" in value:
        return read_settings(Split, value)
    shares = {name: share for name, share in value.items() if name != "seed"}
    spelled = {"parts": [str(name) for name in shares], "shares": list(shares.values())}
    return read_settings(Split, spelled | {"seed": value.get("seed", 0)})


def start(settings: Split, given: Given) -> Splitting:
    """Make the step ready for work."""
    return Splitting(settings)


class Splitting:
    """Remembers what each row is like, and gives each group of near-copies a part."""

    def __init__(self, settings: Split) -> None:
        self._settings = settings

    def look(self, batch: Batch) -> pa.Table:
        """Return the buckets that each row falls into, one or more, and the sum of its text."""
        import pyarrow as pa

        from inhouse.data.alike import buckets

        texts = batch.texts.to_pylist()
        return pa.table(
            {
                "sum": pa.array(map(_sum, texts), pa.uint64()),
                "buckets": pa.array([buckets(text) for text in texts], pa.list_(pa.uint64())),
            }
        )

    def decide(self, seen: Seen) -> Placed:
        """Return what gives each row the part of its group."""
        from inhouse.data.alike import groups

        sums: list[int] = []
        rows: list[Sequence[int]] = []
        starts = []
        for table in seen:
            starts.append(len(sums))
            sums += table.column("sum").to_pylist()
            rows += table.column("buckets").to_pylist()
        least: dict[int, int] = {}
        found = groups(rows)
        for group, number in zip(found, sums, strict=True):
            least[group] = min(number, least.get(group, number))
        return Placed([self._part(least[group]) for group in found], starts)

    def _part(self, number: int) -> str:
        key = blake2b(f"{self._settings.seed} {number}".encode(), digest_size=8).digest()
        place, reached = int.from_bytes(key) / 2**64, 0.0
        for part, share in zip(self._settings.parts, self._settings.shares, strict=True):
            reached += share
            if place < reached:
                return part
        return self._settings.parts[-1]


class Placed:
    """Gives rows their parts."""

    def __init__(self, parts: Sequence[str], starts: Sequence[int]) -> None:
        self._parts, self._starts = parts, starts
        self.told = {"parts": dict(sorted(Counter(parts).items()))}

    def judge(self, batch: Batch) -> Verdict:
        """Write the part of each row into it."""
        import pyarrow as pa

        first = self._starts[batch.number]
        parts = pa.array(self._parts[first : first + len(batch)], pa.string())
        place = batch.rows.schema.get_field_index("part")
        field = batch.rows.schema.field(place)
        return Verdict(rows=batch.rows.set_column(place, field, parts))


def _sum(text: str) -> int:
    return int.from_bytes(blake2b(" ".join(text.split()).encode(), digest_size=8).digest())
