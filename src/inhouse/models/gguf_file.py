"""Reads a GGUF file: its metadata and its tensors, which stay on disk until asked for.

Written against the format's specification (version 2 and 3, little endian) because reading the
100,000 strings of a vocabulary one array at a time takes seconds. What the metadata means for a
model is the business of `weights` and `gguf_tokenizer`.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inhouse.core.errors import BadInput

MAGIC = b"GGUF"
SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
STRING, ARRAY = 8, 9
MAX_ITEMS = 2**24
MAX_DIMENSIONS = 4


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """Where a tensor lies: shape (rows first), type number, place and length in bytes."""

    shape: tuple[int, ...]
    type: int
    start: int
    length: int


class GgufFile:
    """An open GGUF file."""

    def __init__(self, path: Path) -> None:
        """Read metadata and the list of tensors.

        Raises:
            BadInput: it is not a GGUF file, is cut short, or uses an unknown type.
        """
        self._path = path
        with path.open("rb") as file:
            if file.read(4) != MAGIC:
                raise BadInput(f"{path.name} does not begin like a GGUF file.", "Fetch it again.")
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        cursor = _Cursor(self._bytes)
        try:
            self.metadata, self.tensors = _read_head(cursor)
        except (struct.error, UnicodeDecodeError, _Malformed) as error:
            raise BadInput(
                f"{path.name} is damaged near byte {cursor.place}: {error}.", "Fetch it again."
            ) from None
        for name, tensor in self.tensors.items():
            if tensor.start + tensor.length > len(self._bytes):
                raise BadInput(f"{path.name} is cut short in {name}.", "Fetch it again.")

    def read(self, name: str) -> npt.NDArray[np.float32]:
        """Return a tensor as float32, dequantised."""
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize

        tensor = self.tensors[name]
        raw = np.frombuffer(self._bytes, np.uint8, tensor.length, tensor.start)
        kind = GGMLQuantizationType(tensor.type)
        plain = {GGMLQuantizationType.F32: "<f4", GGMLQuantizationType.F16: "<f2"}.get(kind)
        if plain is not None:
            return raw.view(plain).astype(np.float32).reshape(tensor.shape)
        try:
            rows = dequantize(raw.reshape(math.prod(tensor.shape[:-1]), -1), kind)
        except NotImplementedError:
            raise BadInput(
                f"{self._path.name} stores {name} as {kind.name}, which cannot be read.",
                "Use a file in F16, Q8_0 or another common type.",
            ) from None
        return np.asarray(rows, np.float32).reshape(tensor.shape)


class _Malformed(Exception):
    """The bytes cannot be a GGUF file."""


class _Cursor:
    """Reads values one after the other."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.place = len(MAGIC)

    def unpack(self, code: str, count: int = 1) -> tuple[Any, ...]:
        """Read `count` numbers of the format that `struct` calls `code`."""
        form = struct.Struct(f"<{count}{code}")
        values = form.unpack_from(self._data, self.place)
        self.place += form.size
        return values

    def number(self, code: str) -> int:
        """Read a whole number."""
        value: int = self.unpack(code)[0]
        return value

    def bounded(self, code: str, limit: int) -> int:
        """Read a whole number that may not be above `limit`."""
        value = self.number(code)
        if value > limit:
            raise _Malformed(f"a count of {value} is too large")
        return value

    def string(self) -> str:
        """Read a text, which stands behind its length."""
        length = self.bounded("Q", MAX_ITEMS)
        end = self.place + length
        if end > len(self._data):
            raise _Malformed("a text runs past the end")
        text = self._data[self.place : end].decode()
        self.place = end
        return text

    def value(self, kind: int) -> Any:  # noqa: ANN401
        """Read a value of a kind as GGUF numbers them: a number, a text, or a list of these."""
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            inner, count = self.number("I"), self.bounded("Q", MAX_ITEMS)
            if inner == STRING:
                return [self.string() for _ in range(count)]
            return list(self.unpack(_scalar(inner), count))
        return self.unpack(_scalar(kind))[0]


def _scalar(kind: int) -> str:
    if kind not in SCALARS:
        raise _Malformed(f"the value type {kind} is unknown")
    return SCALARS[kind]


def _read_head(cursor: _Cursor) -> tuple[Mapping[str, Any], Mapping[str, GgufTensor]]:
    version = cursor.number("I")
    if version not in (2, 3):
        raise _Malformed(f"version {version} of the format is unknown")
    tensors, pairs = cursor.bounded("Q", MAX_ITEMS), cursor.bounded("Q", MAX_ITEMS)
    metadata = {}
    for _ in range(pairs):
        key = cursor.string()
        metadata[key] = cursor.value(cursor.number("I"))
    listing = {}
    for _ in range(tensors):
        name = cursor.string()
        shape = cursor.unpack("Q", cursor.bounded("I", MAX_DIMENSIONS))[::-1]
        listing[name] = (shape, cursor.number("I"), cursor.number("Q"))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise _Malformed("its alignment is no positive number")
    base = -(-cursor.place // alignment) * alignment
    return metadata, {
        name: GgufTensor(shape, kind, base + offset, _length(shape, kind))
        for name, (shape, kind, offset) in listing.items()
    }


def _length(shape: tuple[int, ...], kind: int) -> int:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        block, size = map(int, GGML_QUANT_SIZES[GGMLQuantizationType(kind)])
    except (ValueError, KeyError):
        raise _Malformed(f"the tensor type {kind} is unknown") from None
    count = math.prod(shape)
    if not shape or shape[-1] % block:
        raise _Malformed(f"a shape of {shape} does not fit its type")
    return count // block * size
