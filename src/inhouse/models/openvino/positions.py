"""How positions of long texts are scaled by YaRN (Peng et al., arXiv 2309.00071).

Other scalings stand in `llama`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from inhouse.models.openvino.graph import Array

FAST, SLOW = 32.0, 1.0


def yarn(plain: Any, rope: Mapping[str, Any]) -> Array:  # noqa: ANN401
    """Return the frequencies: waves that turn seldom slowed by `factor`, others kept.

    `plain` are the frequencies [head_width / 2] that the model was first trained with.
    """
    before, base = rope["original_max_position_embeddings"], rope["rope_theta"]
    half = len(plain)

    def turning(times: float) -> float:
        return half * math.log(before / (times * 2 * math.pi)) / math.log(base)

    low, high = turning(rope.get("beta_fast") or FAST), turning(rope.get("beta_slow") or SLOW)
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, 2 * half - 1)
    slowed = np.clip((np.arange(half) - low) / max(high - low, 1e-3), 0, 1)
    return np.asarray(slowed * plain / rope["factor"] + (1 - slowed) * plain, np.float32)


def sharpened(rope: Mapping[str, Any]) -> float:
    """Return what cosines and sines are multiplied by, so that attention stays as sharp."""
    if rope.get("attention_factor") is not None:
        return float(rope["attention_factor"])
    factor = rope["factor"]
    return 0.1 * math.log(factor) + 1 if factor > 1 else 1.0
