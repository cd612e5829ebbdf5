"""Texts with their labels: which are held out, and which are learnt from together.

All of it is a pure function of its arguments.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import cast

import numpy as np
import numpy.typing as npt

from inhouse.core.errors import BadInput

Ints = npt.NDArray[np.int64]

HELD_OUT = 10
"""One of so many texts of each class is held out."""
POOL = 64
"""So many batches are sorted together: in banking77, 4 % of what is read is padding."""

_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Examples:
    """Texts, the number of the class of each, and the classes by name."""

    texts: Sequence[str]
    labels: Ints
    classes: Sequence[str]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Examples:
        """Return pairs of a text and its label as examples.

        Raises:
            BadInput: there are none, they are of fewer than two classes, or no class has two
                different texts.
        """
        known = list(pairs)
        if not known:
            raise BadInput("There are no examples.", "Give at least 2 of each label, or better 8.")
        texts, labels = zip(*known, strict=True)
        names, numbers = np.unique(np.array(labels), return_inverse=True)
        if len(names) < 2:
            raise BadInput("All examples have the same label.", "Give some with another one.")
        found = cls(texts, numbers.astype(np.int64), [str(name) for name in names])
        if not (folds(found, 2) == 0).any():
            raise BadInput(
                "There is but one example of each label, so nothing can be held out.",
                "Give at least 2 of each, or better 8.",
            )
        return found

    def part(self, rows: npt.NDArray[np.intp]) -> Examples:
        """Return some of the examples; the classes stay as they are."""
        return Examples([self.texts[row] for row in rows], self.labels[rows], self.classes)

    @property
    def sizes(self) -> Ints:
        """How many examples each class has."""
        return np.bincount(self.labels, minlength=len(self.classes))


def folds(examples: Examples, many: int) -> Ints:
    """Return the fold of each example, from 0; -1 for those that are in none.

    Texts of a class with the same words are in the same fold, whatever their order and numbers.
    A class with one text alone is never held out, so each class is always among the others. Where
    a text goes depends on its class alone, and the first fold has one of each class with two.
    """
    found = np.full(len(examples.texts), -1, np.int64)
    groups: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, (text, label) in enumerate(zip(examples.texts, examples.labels, strict=True)):
        groups[int(label)][key_of(text)].append(row)
    for alike in groups.values():
        if len(alike) < 2:
            continue
        for place, key in enumerate(sorted(alike)):
            found[alike[key]] = place % many
    return found


def batches(lengths: Sequence[int], size: int, chance: Random) -> list[list[int]]:
    """Return all rows in batches of texts about as long, in an order of chance.

    Texts are sorted in pools of chance, not all of them: where the length says something of the
    class, batches of one length would be of one class.
    """
    order = chance.sample(range(len(lengths)), len(lengths))
    pool = size * min(POOL, -(-len(order) // (4 * size)))
    found = []
    for start in range(0, len(order), pool):
        alike = sorted(order[start : start + pool], key=lengths.__getitem__)
        found += [alike[first : first + size] for first in range(0, len(alike), size)]
    chance.shuffle(found)
    return found


def contrasts(labels: Ints, size: int, steps: int, chance: Random) -> list[list[int]]:
    """Return batches in which classes of chance stand with as many texts each, two or more.

    A class with one text stands alone, and is told from the others.
    """
    members = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    many = min(len(members), size // 2)
    found = []
    for _ in range(steps):
        chosen = cast("list[list[int]]", chance.sample(members, many))
        each = max(size // many, 2)
        found.append([row for own in chosen for row in chance.sample(own, min(each, len(own)))])
    return found


def weights(sizes: Ints) -> npt.NDArray[np.float32]:
    """Return what an example of each class counts; 1 on average over the examples.

    Where classes are uneven, it falls with the root of their size: halfway to classes that count
    the same, since those with few examples would be learnt by heart.
    """
    raw = 1 / np.sqrt(np.maximum(sizes, 1))
    if sizes.max() < 2 * sizes.min():
        raw = np.ones(len(sizes))
    found: npt.NDArray[np.float32] = (raw * sizes.sum() / (raw * sizes).sum()).astype(np.float32)
    return found


def key_of(text: str) -> str:
    """Return what texts of the same words have in common, whatever their order and numbers."""
    words = {_DIGITS.sub("0", word) for word in _WORD.findall(text.casefold())}
    return hashlib.sha256(" ".join(sorted(words)).encode()).hexdigest()
