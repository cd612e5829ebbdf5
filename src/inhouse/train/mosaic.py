"""Reads tokens out of MosaicML's shards (MDS) where they lie, as if they were one flat file.

Nothing is written or copied. How a shard is laid out: a count, the place of each sample, then the
samples, each with the sizes of its columns that have no fixed one, and then their bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from inhouse.core.errors import BadInput
from inhouse.train.tokens import About, Tokens

INDEX = "index.json"
COLUMNS = ("tokens", "input_ids")
# What converters of text write where they say no more than ``bytes``.
BYTES = "ndarray:int64"
KINDS = ("uint16", "int32", "uint32", "int64", "uint64")
COUNT = np.dtype("<u4")

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Shard:
    """A file: its bytes, the type of a token, and of each sample where its tokens begin."""

    raw: NDArray[np.uint8]
    dtype: np.dtype[Any]
    starts: Places

    def read(self, sample: int, first: int, last: int) -> NDArray[np.integer]:
        """Return the tokens of a sample from `first` up to `last`."""
        start = int(self.starts[sample]) + first * self.dtype.itemsize
        return np.frombuffer(self.raw.data, self.dtype, last - first, start)


class _Joined:
    """The tokens of all samples in a row; a slice of it is read when an array is made of it."""

    def __init__(
        self, shards: Sequence[_Shard], firsts: Places, ends: Places, span: tuple[int, int]
    ) -> None:
        self._shards, self._firsts, self._ends, self._span = shards, firsts, ends, span

    def __len__(self) -> int:
        return self._span[1] - self._span[0]

    def __getitem__(self, part: slice) -> _Joined:
        first, last, _ = part.indices(len(self))
        span = (self._span[0] + first, self._span[0] + max(first, last))
        return _Joined(self._shards, self._firsts, self._ends, span)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401
        return np.concatenate([np.empty(0, np.int64), *self._parts()]).astype(dtype or np.int64)

    def _parts(self) -> Iterator[NDArray[np.integer]]:
        place, last = self._span
        sample = int(np.searchsorted(self._ends, place, "right"))
        while place < last:
            start = int(self._ends[sample - 1]) if sample else 0
            stop = min(last, int(self._ends[sample]))
            shard = int(np.searchsorted(self._firsts, sample, "right")) - 1
            own = sample - int(self._firsts[shard])
            yield self._shards[shard].read(own, place - start, stop - start)
            place, sample = stop, sample + 1


class MosaicTokens(Tokens):
    """The tokens of a folder of shards; each sample counts as a document.

    Args:
        folder: where ``index.json`` lies.
        about: whose tokens they are, which the shards do not say; the counts are found here.

    Raises:
        BadInput: it holds no shards, none with tokens, or they are compressed or cut off.
    """

    def __init__(self, folder: Path, about: About) -> None:
        try:
            index = (folder / INDEX).read_bytes()
        except FileNotFoundError as error:
            raise BadInput(f"{folder} holds no {INDEX}.", "Name a folder of shards.") from error
        try:
            opened = [_opened(folder, shard) for shard in json.loads(index)["shards"]]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise BadInput(
                f"{folder / INDEX} does not describe MDS shards, or not these: {error!r}.",
                "Fetch the folder again.",
            ) from error
        sizes = [size for _, size in opened]
        firsts = np.cumsum([0, *map(len, sizes)])[:-1]
        self.ends = np.cumsum(np.concatenate([np.empty(0, np.int64), *sizes]))
        total = int(self.ends[-1]) if len(self.ends) else 0
        joined = _Joined([shard for shard, _ in opened], firsts, self.ends, (0, total))
        # It is sliced and made into arrays, and does both as an array would.
        self.ids = cast("NDArray[Any]", joined)
        self.loss = None
        self.about = replace(
            about,
            tokens=total,
            documents=len(self.ends),
            learnt=total,
            fingerprint=hashlib.sha256(index).hexdigest(),
        )

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield of each sample its number, and no digest: shards know nothing of documents."""
        return ((str(number), "") for number in range(len(self.ends)))


def _opened(folder: Path, found: Mapping[str, Any]) -> tuple[_Shard, Places]:
    """Return a shard of the index, and how many tokens each of its samples has."""
    file = folder / Path(found["raw_data"]["basename"]).name
    if not file.is_file():
        packed = found.get("zip_data")
        raise BadInput(
            f"{file} is missing.",
            f"Decompress {packed['basename']} beside it." if packed else "Fetch it again.",
        )
    if file.stat().st_size != found["raw_data"]["bytes"]:
        raise BadInput(f"{file} has not as many bytes as {INDEX} says.", "Fetch it again.")
    columns: list[str] = found["column_names"]
    column = next((columns.index(name) for name in COLUMNS if name in columns), None)
    if column is None:
        raise BadInput(
            f"{file} has the columns {', '.join(columns)}, and none of tokens.",
            "Name shards of tokens, or read their texts as documents.",
        )
    raw = np.asarray(np.memmap(file, np.uint8, "r"))
    places = np.frombuffer(raw.data, COUNT, found["samples"] + 1, COUNT.itemsize).astype(np.int64)
    starts, sizes = _values(raw, places, found["column_sizes"], column)
    return _tokens(file, raw, found["column_encodings"][column], starts, sizes)


def _values(
    raw: NDArray[np.uint8], places: Places, fixed: Sequence[int | None], column: int
) -> tuple[Places, Places]:
    """Return where the bytes of a column begin in each sample, and how many they are."""
    varying = [number for number, size in enumerate(fixed) if not size]
    begin, whole = places[:-1] + COUNT.itemsize * len(varying), np.diff(places)
    widths = np.tile([size or 0 for size in fixed], (len(begin), 1)).astype(np.int64)
    if len(varying) == 1:
        # The one size that is not given follows from the others, and no sample is touched.
        widths[:, varying[0]] = whole - COUNT.itemsize - widths.sum(1)
    elif varying:
        heads = places[:-1, None] + np.arange(COUNT.itemsize * len(varying))
        widths[:, varying] = raw[heads].view(COUNT)
    return begin + widths[:, :column].sum(1), widths[:, column]


def _tokens(
    file: Path, raw: NDArray[np.uint8], encoding: str, starts: Places, sizes: Places
) -> tuple[_Shard, Places]:
    """Return the shard, and how many tokens each of its samples has."""
    name, *kind = (BYTES if encoding == "bytes" else encoding).split(":")
    if name != "ndarray" or not kind or kind[0] not in KINDS:
        raise BadInput(
            f"{file} keeps its tokens as {encoding}, which is not read here.",
            f"Write them as ndarray of {', '.join(KINDS)}, or as bytes of int64.",
        )
    dtype = np.dtype(kind[0]).newbyteorder("<")
    if encoding != "bytes" and len(kind) == 1:
        # Before the values stands their shape: a byte, and a size as short as it may be.
        least = [1 + width + (256**width - 1) * dtype.itemsize for width in (1, 2, 4)]
        head = 1 + np.select([sizes <= least[0], sizes <= least[1]], [1, 2], 4)
        starts, sizes = starts + head, sizes - head
    return _Shard(raw, dtype, starts), sizes // dtype.itemsize
