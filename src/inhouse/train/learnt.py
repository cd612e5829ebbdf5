"""What the ways to train a classifier take, and what they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inhouse.core.stage import Context

WEIGHTS = "model.safetensors"
KEEP_EVERY = 40
"""A checkpoint is kept after so many steps."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The encoder to start from, how many tokens of a text it reads, and where work is done."""

    base: Path
    tokens: int
    ctx: Context


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of it; the weights of the encoder are written already.

    Args:
        weights: those of the head on unit vectors, [width + 1, classes]; the last row is biases.
        scores: what held-out texts score, [texts, classes].
        wanted: the number of the class of each.
        told: what the summary says of it.
    """

    weights: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    wanted: npt.NDArray[np.int64]
    told: Mapping[str, Any]
