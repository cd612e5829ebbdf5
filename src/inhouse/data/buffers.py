"""The bytes under Arrow's texts, as arrays that compiled loops can read; nothing is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa


def buffers(texts: pa.StringArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return the UTF-8 of texts, uint8, and where each begins in it, int32 of shape [texts + 1]."""
    _, offsets, data = texts.buffers()
    if not len(texts) or offsets is None:
        return np.zeros(1, np.uint8), np.zeros(1, np.int32)
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(1, np.uint8), places
