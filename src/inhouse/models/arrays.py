"""Arrays in a small safetensors file: what a tagger or a small classifier keeps its numbers in.

Only the few kinds of number that these need; the weights of large models are read by `weights`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inhouse.core.errors import BadInput, Corrupt

LARGEST = 64 << 20
"""Bytes of a file at most."""

_KINDS = {"I8": np.int8, "F32": np.float32}
_NAMES = {np.dtype(kind): name for name, kind in _KINDS.items()}


class Tensors(NamedTuple):
    """Arrays by name, and what is said about them."""

    arrays: Mapping[str, npt.NDArray[Any]]
    about: Mapping[str, str]


def to_bytes(tensors: Tensors) -> bytes:
    """Return the file of some arrays; the same arrays give the same bytes."""
    header: dict[str, Any] = {"__metadata__": dict(sorted(tensors.about.items()))}
    parts, end = [], 0
    for name, array in sorted(tensors.arrays.items()):
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [end, end := end + len(raw)],
        }
        parts.append(raw)
    said = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    said += b" " * (-len(said) % 8)
    return b"".join([len(said).to_bytes(8, "little"), said, *parts])


def read(path: Path, *, sha256: str | None = None) -> Tensors:
    """Read the arrays of a file.

    Args:
        path: the file.
        sha256: what its bytes must have; None takes any.

    Raises:
        BadInput: there is no such file, or it holds something else.
        Corrupt: its digest is another one.
    """
    if not path.is_file() or path.stat().st_size > LARGEST:
        raise BadInput(
            f"{path} is no small model.", "Name a safetensors file that this program has made."
        )
    raw = path.read_bytes()
    if sha256 is not None and hashlib.sha256(raw).hexdigest() != sha256:
        raise Corrupt(f"{path} is not the file it should be.", "Install this program again.")
    try:
        size = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + size])
        about = header.pop("__metadata__", {})
        data = memoryview(raw)[8 + size :]
        arrays = {name: _array(data, entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{path} cannot be read as arrays: {error}.",
            "Name a safetensors file that this program has made.",
        ) from error
    return Tensors(arrays, about)


def _array(data: memoryview, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    start, end = entry["data_offsets"]
    return np.frombuffer(data[start:end], _KINDS[entry["dtype"]]).reshape(entry["shape"])
