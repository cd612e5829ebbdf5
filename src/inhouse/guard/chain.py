"""A linear chain over the words of a text: the likeliest marks, and what training needs.

The model is a conditional random field (Lafferty, McCallum and Pereira, ICML 2001): a score for
each mark of each word, and one for each mark after another. Texts are done side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Marks = npt.NDArray[np.int64]

NEVER = np.float32(-1e4)


class Batch(NamedTuple):
    """Texts side by side: word `w` of text `t` is row `rows[w, t]` of the words, if `there`."""

    rows: Marks
    there: npt.NDArray[np.bool_]


def side_by_side(lengths: Sequence[int]) -> Batch:
    """Return where the words of each text are among those of all, shape [longest, texts]."""
    sizes = np.asarray(lengths, np.int64)
    starts = np.cumsum(sizes) - sizes
    places = np.arange(max(lengths, default=0))[:, None]
    there = places < sizes[None, :]
    return Batch(np.where(there, starts[None, :] + places, 0), there)


def likeliest(scores: Floats, moves: Floats, lengths: Sequence[int]) -> Marks:
    """Return the likeliest mark of each word (Viterbi).

    Args:
        scores: of each mark of each word, [words, marks].
        moves: of each mark after another, [marks + 1, marks]; the last row begins a text.
        lengths: how many words each text has.
    """
    rows, there = side_by_side(lengths)
    chosen = np.zeros(len(scores), np.int64)
    if not len(rows):
        return chosen
    inner = moves[:-1]
    best = scores[rows[0]] + moves[-1]
    came = np.zeros((*rows.shape, moves.shape[1]), np.int64)
    for word in range(1, len(rows)):
        ways = best[:, :, None] + inner
        came[word] = ways.argmax(axis=1)
        best = np.where(there[word, :, None], ways.max(axis=1) + scores[rows[word]], best)
    texts = np.arange(rows.shape[1])
    mark = best.argmax(axis=1)
    for word in range(len(rows) - 1, -1, -1):
        here = there[word]
        chosen[rows[word, here]] = mark[here]
        if word:
            mark = np.where(here, came[word, texts, mark], mark)
    return chosen


def slope(
    scores: Floats, moves: Floats, lengths: Sequence[int], marks: Marks
) -> tuple[Floats, Floats]:
    """Return how the log-likelihood of the true marks grows with each score and each move.

    Both are what was counted less what is expected, in the shapes of `scores` and `moves`.
    """
    rows, there = side_by_side(lengths)
    inner, count = moves[:-1], moves.shape[1]
    forward = np.empty((*rows.shape, count), np.float32)
    forward[0] = scores[rows[0]] + moves[-1]
    for word in range(1, len(rows)):
        ways = _log_sum(forward[word - 1][:, :, None] + inner, axis=1)
        forward[word] = np.where(
            there[word, :, None], ways + scores[rows[word]], forward[word - 1]
        )
    total = _log_sum(forward[-1], axis=1)[:, None]
    backward = np.zeros((rows.shape[1], count), np.float32)
    of_scores, of_moves = np.zeros_like(scores), np.zeros_like(moves)
    for word in range(len(rows) - 1, -1, -1):
        here = there[word]
        place = rows[word, here]
        of_scores[place] -= np.exp(forward[word, here] + backward[here] - total[here])
        if word == 0:
            of_moves[-1] += of_scores[place].sum(axis=0)
            np.add.at(of_moves[-1], marks[place], 1.0)
            break
        ahead = scores[rows[word]] + backward
        pairs = forward[word - 1][:, :, None] + inner + ahead[:, None, :] - total[:, :, None]
        of_moves[:-1] -= np.exp(pairs[here]).sum(axis=0)
        np.add.at(of_moves, (marks[rows[word - 1, here]], marks[place]), 1.0)
        back = _log_sum(inner + ahead[:, None, :], axis=2)
        backward = np.where(here[:, None], back, backward)
    of_scores[np.arange(len(scores)), marks] += 1.0
    return of_scores, of_moves


def _log_sum(values: Floats, *, axis: int) -> Floats:
    most = values.max(axis=axis, keepdims=True)
    summed = np.log(np.exp(values - most).sum(axis=axis)) + most.squeeze(axis)
    return summed.astype(np.float32)
