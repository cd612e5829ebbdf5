"""Which words stand near which: by the vectors of their pieces in an encoder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from tokenizers import Tokenizer

from inhouse.models.small import Floats

WORD = re.compile(r"\w+")
MOST, NEAREST = 5_000, 6
SHORTEST = 1e-9


def neighbours(
    texts: Sequence[str], tokenizer: Tokenizer, vectors: Floats
) -> Mapping[str, Sequence[str]]:
    """Return the words nearest to each word that texts have more than once, in small letters.

    Args:
        texts: where the words are from; of very many, the commonest are taken.
        tokenizer: cuts words into pieces.
        vectors: of each of its pieces, float32 of shape [pieces, width].
    """
    counted = Counter(word.lower() for text in texts for word in WORD.findall(text))
    words = sorted(word for word, times in counted.most_common(MOST) if times > 1)
    if len(words) <= NEAREST:
        return {}
    encoded = tokenizer.encode_batch_fast(words, add_special_tokens=False)
    found = np.stack([vectors[one.ids].mean(0) for one in encoded])
    found -= found.mean(0)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), SHORTEST)
    near = found @ found.T
    np.fill_diagonal(near, -1)
    closest = np.sort(np.argpartition(-near, NEAREST, axis=1)[:, :NEAREST], axis=1)
    return {word: [words[n] for n in row] for word, row in zip(words, closest, strict=True)}
