"""Late interaction: how well the tokens of a question are met by those of a passage.

After Khattab and Zaharia, arXiv 2004.12832; three neighbours share a vector, which costs little,
after Clavié et al., arXiv 2409.14683. Which passages are looked at is the business of `search`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SHARING = 3
LARGEST = 127

Vectors = npt.NDArray[np.float32]


def condense(tokens: Vectors) -> bytes:
    """Return the unit vectors of a passage's tokens, of shape [tokens, width], in int8.

    Of each vector only its direction is kept, so no scale stands beside it.
    """
    if not len(tokens):
        return b""
    shared = np.add.reduceat(tokens, np.arange(0, len(tokens), SHARING))
    largest = np.abs(shared).max(axis=1, keepdims=True)
    steps: npt.NDArray[np.int8] = np.rint(shared * LARGEST / np.maximum(largest, 1e-9)).astype("i1")
    return steps.tobytes()


def spread(condensed: bytes, width: int) -> Vectors:
    """Return the unit vectors that `condense` made small, float32 of shape [vectors, width]."""
    tokens = np.frombuffer(condensed, np.int8).reshape(-1, width).astype(np.float32)
    lengths = np.sqrt(np.vecdot(tokens, tokens))
    unit: Vectors = tokens / np.maximum(lengths, 1.0)[:, None]
    return unit


def meeting(question: Vectors, condensed: bytes) -> float:
    """Return the mean over a question's tokens of the best cosine with a passage's tokens.

    It is 0 if either has no tokens.
    """
    if not len(question) or not condensed:
        return 0.0
    tokens = spread(condensed, question.shape[1])
    # Dot products one by one: a matrix product would wake threads for little work.
    return float(np.vecdot(question[:, None], tokens).max(axis=1).mean())
