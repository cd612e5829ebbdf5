"""More texts like given ones, without labels: for a teacher to say what it makes of them.

The labels of the originals are not passed on. That was measured to hurt; what a teacher says of
such a text, however odd it is, teaches how the teacher decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from inhouse.models.small import Floats

DROPPED, SWAPPED = 0.12, 0.15
SAME_CLASS = 0.6
FREQUENT, NEAREST = 6000, 6
NO_NEIGHBOURS: Mapping[str, Sequence[str]] = {}


def neighbours(tokenizer: Tokenizer, vectors: Floats) -> Mapping[str, Sequence[str]]:
    """Return the six words nearest to each frequent one, by the vectors of an encoder's pieces.

    A vocabulary as BERT has it begins with the most frequent. To put near words in the place of
    others is after Jiao et al., arXiv 1909.10351.

    Args:
        tokenizer: of the encoder.
        vectors: of its pieces, float32 of shape [pieces, any width].
    """
    known = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])[:FREQUENT]
    words = {word: number for word, number in known if len(word) > 1 and word.isalpha()}
    found = vectors[list(words.values())]
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    found -= found.mean(0)  # or all would be near to what all have in common
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    alike = found @ found.T
    np.fill_diagonal(alike, -1)
    named = list(words)
    nearest = np.argsort(-alike, 1, kind="stable")[:, :NEAREST]
    return {word: [named[n] for n in row] for word, row in zip(words, nearest, strict=True)}


def variants(
    texts: Sequence[str],
    labels: npt.NDArray[np.int64],
    count: int,
    *,
    near: Mapping[str, Sequence[str]] = NO_NEIGHBOURS,
    seed: int = 0,
) -> list[str]:
    """Return up to `count` new texts, none twice and none of those given.

    Each is a head of one text with the tail of another, mostly of the same class; a text without
    some of its words; or one with some of its words taken from another of its class. In each, some
    words give way to words that are `near` them.
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
        made = _WAYS[chance.integers(len(_WAYS))](words[one], words[other], chance)
        text = " ".join(_moved(made, near, chance))
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


def _moved(
    made: list[str], near: Mapping[str, Sequence[str]], chance: np.random.Generator
) -> list[str]:
    others = [near.get(word.lower(), ()) for word in made]
    return [
        some[int(chance.integers(len(some)))] if some and chance.random() < SWAPPED else word
        for word, some in zip(made, others, strict=True)
    ]


_WAYS = (_spliced, _shortened, _mingled)
