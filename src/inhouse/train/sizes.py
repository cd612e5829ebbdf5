"""How large each part of a new language model is, and how it is best begun: by rules, from a dial.

The dial is the number of parameters. The rules are those of papers; making the weights is the
business of `blank`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from inhouse.core.errors import BadInput

HEAD = 64
ASPECT = 32
"""Width of a model for each layer that it has. From 20 to 100 hardly anything is lost (Kaplan et
al., arXiv 2001.08361), and small models gain by depth (Liu et al., arXiv 2402.14905)."""
INNER = 8 / 3
"""Width of an MLP with a gate, so that it has as many weights as one without (Shazeer, arXiv
2002.05202)."""
TOKENS_PER_PARAMETER = 20
"""How much a model of a size learns from, so that another size would not do better with the same
work (Hoffmann et al., arXiv 2203.15556)."""
EPOCHS = 4
"""So often may data be repeated and teach about as much as new ones (Muennighoff et al., arXiv
2305.16264)."""
SMALLEST, LARGEST = 500_000, 10_000_000_000
FEWEST_WORDS, MOST_WORDS = 512, 131_072
HIGHEST_RATE = 1e-2


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a Llama whose first and last matrix are one."""

    width: int
    layers: int
    words: int

    @property
    def heads(self) -> int:
        """How many heads attend, each over 64 numbers."""
        return self.width // HEAD

    @property
    def inner(self) -> int:
        """The width of an MLP, in whole heads."""
        return HEAD * round(INNER * self.width / HEAD)

    @property
    def deep(self) -> int:
        """How many parameters there are without those of words."""
        layer = 4 * self.width**2 + 3 * self.width * self.inner + 2 * self.width
        return self.layers * layer + self.width

    @property
    def parameters(self) -> int:
        """How many parameters there are."""
        return self.words * self.width + self.deep


def sizes_of(parameters: int, words: int | None = None) -> Sizes:
    """Return the sizes of a model of about so many parameters, and of so many words if given.

    Raises:
        BadInput: it would be too small, or too large.
    """
    if not SMALLEST <= parameters <= LARGEST:
        raise BadInput(
            f"A model of {parameters:,} parameters is none that is made here.",
            "Give a size from 500k to 10B.",
        )
    found = []
    for width in range(HEAD, 128 * HEAD, HEAD):
        own = words or words_for(parameters, width)
        layer = Sizes(width, 1, own).deep
        layers = round((parameters - own * width) / layer)
        if layers > 0:
            found.append(Sizes(width, layers, own))
    near = [one for one in found if abs(one.parameters / parameters - 1) <= 0.15]
    if not near:
        raise BadInput(
            f"{words or 0:,} words leave nothing of {parameters:,} parameters for layers.",
            "Take fewer words, or a larger size.",
        )
    return min(near, key=lambda one: abs(math.log(one.width / one.layers / ASPECT)))


def words_for(parameters: int, width: int) -> int:
    """Return how many words suit a size, a power of 2.

    By the fit of Tao et al., arXiv 2407.13623: those of words grow as the others to the .833.
    """
    share = 0.2 * (parameters / 0.0834) ** 0.833
    found = 2 ** round(math.log2(share / width))
    return int(min(max(found, FEWEST_WORDS), MOST_WORDS))


def pace(sizes: Sizes, tokens: int) -> tuple[float, float]:
    """Return the highest learning rate and the tokens of a step, for a run over so many tokens.

    By the fit of Li et al., arXiv 2503.04715, which is for models from scratch.
    """
    rate = 1.79 * sizes.deep**-0.713 * tokens**0.307
    return min(rate, HIGHEST_RATE), 0.58 * tokens**0.571
