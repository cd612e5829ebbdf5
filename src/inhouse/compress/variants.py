"""More texts like given ones, without labels: for a teacher to say what it makes of them.

The labels of the originals are not passed on. That was measured to hurt; what a teacher says of
such a text, however odd it is, teaches how the teacher decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from inhouse.compress.neighbours import WORD

DROPPED, SWAPPED = 0.12, 0.15
SAME_CLASS = 0.6

Near = Mapping[str, Sequence[str]]


def variants(
    texts: Sequence[str], labels: npt.NDArray[np.int64], count: int, near: Near, *, seed: int = 0
) -> list[str]:
    """Return up to `count` new texts, none twice and none of those given.

    Each is a head of one text with the tail of another, mostly of the same class; a text without
    some of its words; or one with some of its words in place of which others stand that are `near`.
    """
    chance = np.random.default_rng(seed)
    by_class = {label: np.flatnonzero(labels == label) for label in np.unique(labels)}
    known, found = set(texts), list[str]()
    for _ in range(4 * count):
        if len(found) == count:
            break
        one = int(chance.integers(len(texts)))
        way = chance.integers(3)
        if way == 0:
            same = by_class[labels[one]] if chance.random() < SAME_CLASS else np.arange(len(texts))
            text = _spliced(texts[one], texts[int(chance.choice(same))], chance)
        elif way == 1:
            text = _shortened(texts[one], chance)
        else:
            text = _reworded(texts[one], near, chance)
        if text and text not in known:
            known.add(text)
            found.append(text)
    return found


def _spliced(one: str, other: str, chance: np.random.Generator) -> str:
    head, tail, share = one.split(), other.split(), chance.random()
    return " ".join([*head[: round(share * len(head))], *tail[round(share * len(tail)) :]])


def _shortened(one: str, chance: np.random.Generator) -> str:
    return " ".join(word for word in one.split() if chance.random() >= DROPPED)


def _reworded(one: str, near: Near, chance: np.random.Generator) -> str:
    def other(word: str) -> str:
        nearest = near.get(word.lower())
        if nearest is None or chance.random() >= SWAPPED:
            return word
        return nearest[int(chance.integers(len(nearest)))]

    return WORD.sub(lambda found: other(found[0]), one)
