"""Whether what was found holds an answer: three signs, weighed to one number, and unknown names.

The weights are fitted by ``make bench BENCH=answerability``. Finding is the business of `search`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inhouse.knowledge.passages import SENTENCE
from inhouse.knowledge.tokens import Vectors, spread
from inhouse.knowledge.words import postings, terms

READ, COMPARED = 5, 10

BIAS = -4.59
NEAREST, WORDS, AHEAD = 6.95, 1.22, 9.43
UNKNOWN = 0.4
"""What is left of the support of an answer to a question that names what nothing readable names."""

SENTENCES = re.compile(r"(?<=[.!?…:])\s+|\n+")
NAME = re.compile(r"[^\W\d_]+|(?<!\d)(?:19|20)\d\d(?!\d)")
DAYS = frozenset(
    NAME.findall(
        "monday tuesday wednesday thursday friday saturday sunday january february march april may "
        "june july august september october november december"
    )
)
GERMAN = re.compile(
    r"\b(?:der|das|dem|den|ein|eine|einen|ist|sind|wie|wer|wo|wann|und|ich|wir|für|mit)\b"
)


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for an answer in the five best sections.

    Answers are written from all of them, and where much is said about a matter, the one that says
    it may not be the first. `nearest` is the cosine of the question and the nearest few words of
    their best passages. `words` is the share of the question's words, each worth its rarity among
    what may be read, that one sentence of these has. `ahead` is by how much one of them meets the
    question's tokens better than the ten best do on average.
    """

    nearest: float
    words: float
    ahead: float


def read_signs(
    question: Vectors,
    rarities: Mapping[str, float],
    texts: Sequence[str],
    condensed: Sequence[bytes],
    met: npt.NDArray[np.float64],
) -> Signs:
    """Return the signs of a search.

    Args:
        question: its unit vector, of shape [width].
        rarities: how much each term of the question tells, among readable sections.
        texts: the best passages of the five best sections.
        condensed: the vectors of the tokens of each, as `tokens.condense` makes them.
        met: how well the sections meet the question's tokens, the best section's first.
    """
    near = max(_nearest(question, spread(each, len(question))) for each in condensed)
    ahead = float(met[:READ].max() - met[:COMPARED].mean())
    return Signs(near, _words(rarities, texts), ahead)


def support(signs: Signs) -> float:
    """Return how well what was found supports an answer, in [0, 1].

    It is a logistic regression. About a tenth of the questions that have an answer are below
    `SUPPORTED`, averaged over the sets that it was fitted on; so it is no probability.
    """
    weighed = NEAREST * signs.nearest + WORDS * signs.words + AHEAD * signs.ahead
    return 1 / (1 + math.exp(-(BIAS + weighed)))


def unknown(question: str, rarity: Callable[[str], float], document: str) -> bool:
    """Say whether a question names something that stands in nothing that may be read.

    A name is a year, or a word inside the sentence that asks with a capital in front and none
    behind: abbreviations are often spelled out, and German writes all nouns so. Where the path of
    the best `document` has it, it is known.
    """
    sentences = SENTENCES.split(question.strip())
    asked = next((text for text in reversed(sentences) if text.endswith("?")), sentences[-1])
    named = {word for word in NAME.findall(asked) if word.isdecimal()}
    if not GERMAN.search(asked.lower()):
        inside = (word for word in NAME.findall(asked)[1:] if len(word) > 2 and word.istitle())
        named |= {word for word in inside if word.lower() not in DAYS}
    return any(
        word.lower() not in document.lower() and not any(map(rarity, terms(word))) for word in named
    )


def _nearest(question: Vectors, tokens: Vectors) -> float:
    """Return the best cosine of a question with the mean of three vectors in a row.

    An embedder of sentences takes the mean of its tokens, so this is nearly that of nine words.
    """
    if not len(tokens):
        return 0.0
    rows = tokens[:-2] + tokens[1:-1] + tokens[2:] if len(tokens) > 2 else tokens.sum(0)[None]
    lengths = np.sqrt(np.vecdot(rows, rows))
    return float((np.vecdot(rows, question) / np.maximum(lengths, 1e-6)).max())


def _words(rarities: Mapping[str, float], texts: Sequence[str]) -> float:
    whole = sum(rarities.values())
    if not whole:
        return 0.0
    sentences = [sentence[0] for text in texts for sentence in SENTENCE.finditer(text)]
    shares = [0.0] * len(sentences)
    for term, places in postings((n, "", text) for n, text in enumerate(sentences)):
        for number, _ in places:
            shares[number] += rarities.get(term, 0.0) / whole
    return max(shares, default=0.0)
