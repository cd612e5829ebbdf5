"""Divides rows into parts such as train and test: near-copies of one row are never in two parts.

A row's part follows from the contents of its group, so it stays where it is when other rows come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from inhouse.core.artifact import NAME
from inhouse.core.errors import BadInput
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Seen, Verdict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

CODE = 2
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
        """Return the buckets that each row falls into, and a number made of its text."""
        import pyarrow as pa

        from inhouse.data.letter_runs import buckets

        texts = batch.texts.to_pylist()
        found = buckets(texts)
        flat = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), found.shape[1])
        return pa.table({"number": pa.array(map(_number, texts), pa.uint64()), "buckets": flat})

    def decide(self, seen: Seen) -> Placed:
        """Return what gives each row the part of its group."""
        import numpy as np

        from inhouse.data.letter_runs import groups

        tables = [table.combine_chunks() for table in seen]
        columns = [table.column("buckets").combine_chunks() for table in tables]
        batches = [c.flatten().to_numpy().reshape(len(c), c.type.list_size) for c in columns]
        numbers = [table.column("number").to_numpy() for table in tables]
        found = groups(batches)
        least = np.full(len(found), 2**64 - 1, np.uint64)
        np.minimum.at(least, found, np.concatenate([np.zeros(0, np.uint64), *numbers]))
        starts = np.cumsum([0, *map(len, numbers)])
        return Placed(self._settings.parts, self._parts(least[found]), starts.tolist())

    def _parts(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
        """Return the number of the part of each row, from the least number in its group."""
        import numpy as np

        seed = f"{self._settings.seed} ".encode()
        keys = (
            blake2b(seed + number.tobytes(), digest_size=8).digest()
            for number in numbers.astype("<u8")
        )
        places = np.array([int.from_bytes(key, "big") / 2**64 for key in keys])
        reached = np.cumsum(self._settings.shares)[:-1]
        return np.searchsorted(reached, places, "right").astype(np.uint8)


class Placed:
    """Gives rows their parts."""

    def __init__(
        self, names: Sequence[str], parts: npt.NDArray[np.uint8], starts: Sequence[int]
    ) -> None:
        self._names, self._parts, self._starts = names, parts, starts
        counts = {name: int((parts == n).sum()) for n, name in enumerate(names)}
        self.told = {"parts": counts}

    def judge(self, batch: Batch) -> Verdict:
        """Write the part of each row into it."""
        import pyarrow as pa

        first = self._starts[batch.number]
        parts = [self._names[n] for n in self._parts[first : first + len(batch)]]
        place = batch.rows.schema.get_field_index("part")
        field = batch.rows.schema.field(place)
        return Verdict(rows=batch.rows.set_column(place, field, pa.array(parts, pa.string())))


def _number(text: str) -> int:
    return int.from_bytes(blake2b(" ".join(text.split()).encode(), digest_size=8).digest(), "big")
