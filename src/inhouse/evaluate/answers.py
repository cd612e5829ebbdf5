"""How near an answer in words is to one that is known to be right.

As SQuAD measures it (Rajpurkar et al., arXiv 1606.05250): in lower case, without punctuation and
articles.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """Return what is compared of an answer."""
    plain = text.lower().translate(WITHOUT_PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", plain).split())


def exact(said: str, right: Sequence[str]) -> float:
    """Return 1 if an answer is one of the right ones, else 0."""
    return float(normalised(said) in map(normalised, right))


def f1(said: str, right: Sequence[str]) -> float:
    """Return the harmonic mean of precision and recall of words, by the nearest right answer."""
    return max(_f1(normalised(said).split(), normalised(each).split()) for each in right)


def _f1(said: Sequence[str], right: Sequence[str]) -> float:
    if not said or not right:
        return float(said == right)
    shared = (Counter(said) & Counter(right)).total()
    return 2 * shared / (len(said) + len(right))
