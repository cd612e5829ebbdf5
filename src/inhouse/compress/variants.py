"""More texts like given ones, without labels: for a teacher to say what it makes of them.

The labels of the originals are not passed on. That was measured to hurt; what a teacher says of
such a text, however odd it is, teaches how the teacher decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

DROPPED, SWAPPED = 0.12, 0.15
SAME_CLASS = 0.6


def variants(
    texts: Sequence[str], labels: npt.NDArray[np.int64], count: int, *, seed: int = 0
) -> list[str]:
    """Return up to `count` new texts, none twice and none of those given.

    Each is a head of one text with the tail of another, mostly of the same class; a text without
    some of its words; or one with some of its words taken from another of its class.
    """
    chance = np.random.default_rng(seed)
    words = [text.split() for text in texts]
    by_class = {label: np.flatnonzero(labels == label) for label in np.unique(labels)}
    known, found = set(texts), list[str]()
    for _ in range(4 * count):
        if len(found) == count:
            break
        one = int(chance.integers(len(texts)))
        same = by_class[labels[one]] if chance.random() < SAME_CLASS else np.arange(len(texts))
        other = int(chance.choice(same))
        text = " ".join(_WAYS[chance.integers(len(_WAYS))](words[one], words[other], chance))
        if text and text not in known:
            known.add(text)
            found.append(text)
    return found


def _spliced(one: list[str], other: list[str], chance: np.random.Generator) -> list[str]:
    share = chance.random()
    return one[: round(share * len(one))] + other[round(share * len(other)) :]


def _shortened(one: list[str], other: list[str], chance: np.random.Generator) -> list[str]:
    return [word for word in one if chance.random() >= DROPPED]


def _mingled(one: list[str], other: list[str], chance: np.random.Generator) -> list[str]:
    if not other:
        return one
    strangers = chance.choice(len(other), len(one))
    return [
        other[n] if chance.random() < SWAPPED else word
        for word, n in zip(one, strangers, strict=True)
    ]


_WAYS = (_spliced, _shortened, _mingled)
