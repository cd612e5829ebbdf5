"""What a student learns from, in which order, and what its answers cost it.

To learn the teacher's probabilities softened by a temperature is after Hinton et al., arXiv
1503.02531. Torch is imported inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inhouse.models.examples import batches
from inhouse.models.small import Floats

if TYPE_CHECKING:
    from torch import Tensor

NO_LABEL = -1
UNLIKELY = 1e-8
SOFTNESS = 2.0
"""What the scores of student and teacher are divided by."""
OWN = 0.3
"""What a label counts beside what the teacher says."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a student learns from.

    Args:
        texts: all of them.
        labels: the class of each by number, `NO_LABEL` where nobody gave one; int64 [texts].
        taught: what the teacher makes of each, float32 of shape [texts, classes]; None without one.
    """

    texts: Sequence[str]
    labels: npt.NDArray[np.int64]
    taught: Floats | None = None


class Answers:
    """What the answers to lessons should be."""

    def __init__(self, lessons: Lessons) -> None:
        import torch

        self._labels = torch.from_numpy(lessons.labels)
        self._wanted = None
        if lessons.taught is not None:
            taught = torch.from_numpy(lessons.taught)
            self._wanted = (taught.clamp(min=UNLIKELY).log() / SOFTNESS).softmax(1)

    def cost(self, scores: Tensor, rows: Sequence[int]) -> Tensor:
        """Return what scores [rows, classes] cost: mostly by the teacher, a little by labels."""
        import torch
        from torch.nn.functional import cross_entropy, kl_div

        chosen = torch.tensor(rows)
        labels = self._labels[chosen]
        known = labels != NO_LABEL
        if self._wanted is None:
            return cross_entropy(scores[known], labels[known], label_smoothing=0.05)
        said = (scores / SOFTNESS).log_softmax(1)
        loss = SOFTNESS**2 * kl_div(said, self._wanted[chosen], reduction="batchmean")
        if known.any():
            loss = loss + OWN * cross_entropy(scores[known], labels[known])
        return loss


def order(lengths: Sequence[int], size: int, steps: int, seed: int) -> Iterator[list[int]]:
    """Yield `steps` batches of `size` texts of like length; all are read before one is again."""
    chance = Random(seed)
    while True:
        for batch in batches(lengths, size, chance):
            if not steps:
                return
            steps -= 1
            yield batch


def slope(step: int, steps: int) -> float:
    """Return the share of the highest rate at a step, counted from 0.

    It rises over the first twentieth, and falls to 0 from there.
    """
    warm = max(steps // 20, 1)
    return min((step + 1) / warm, (steps - step) / max(steps - warm + 1, 1))
