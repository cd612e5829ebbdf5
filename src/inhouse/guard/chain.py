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


def shares(scores: Floats, moves: Floats, lengths: Sequence[int]) -> Floats:
    """Return how likely each mark of each word is, given the whole text; [words, marks]."""
    found = np.zeros_like(scores)
    if len(scores):
        batch = side_by_side(lengths)
        forward, backward, total = _both_ways(scores, moves, batch)
        likely = np.exp(forward + backward - total[None])
        found[batch.rows[batch.there]] = likely[batch.there]
    return found


def slope(
    scores: Floats, moves: Floats, lengths: Sequence[int], marks: Marks
) -> tuple[Floats, Floats]:
    """Return how the log-likelihood of the true marks grows with each score and each move.

    Both are what was counted less what is expected, in the shapes of `scores` and `moves`.
    """
    batch = side_by_side(lengths)
    rows, there = batch
    forward, backward, total = _both_ways(scores, moves, batch)
    of_scores, of_moves = np.zeros_like(scores), np.zeros_like(moves)
    of_scores[rows[there]] = -np.exp(forward + backward - total[None])[there]
    of_moves[-1] = of_scores[rows[0, there[0]]].sum(axis=0)
    np.add.at(of_moves[-1], marks[rows[0, there[0]]], 1.0)
    for word in range(1, len(rows)):
        here = there[word]
        place, before = rows[word, here], rows[word - 1, here]
        ahead = scores[place] + backward[word, here] - total[here]
        pairs = forward[word - 1, here][:, :, None] + moves[:-1] + ahead[:, None, :]
        of_moves[:-1] -= np.exp(pairs).sum(axis=0)
        np.add.at(of_moves, (marks[before], marks[place]), 1.0)
    of_scores[np.arange(len(scores)), marks] += 1.0
    return of_scores, of_moves


def _both_ways(scores: Floats, moves: Floats, batch: Batch) -> tuple[Floats, Floats, Floats]:
    """Return log-sums up to each word and from it on, [longest, texts, marks], and of all."""
    rows, there = batch
    inner = moves[:-1]
    forward = np.empty((*rows.shape, moves.shape[1]), np.float32)
    backward = np.zeros_like(forward)
    forward[0] = scores[rows[0]] + moves[-1]
    for word in range(1, len(rows)):
        ways = _log_sum(forward[word - 1][:, :, None] + inner, axis=1) + scores[rows[word]]
        forward[word] = np.where(there[word, :, None], ways, forward[word - 1])
    for word in range(len(rows) - 1, 0, -1):
        ahead = scores[rows[word]] + backward[word]
        ways = _log_sum(inner + ahead[:, None, :], axis=2)
        backward[word - 1] = np.where(there[word, :, None], ways, backward[word])
    return forward, backward, _log_sum(forward[-1], axis=1)[:, None]


def _log_sum(values: Floats, *, axis: int) -> Floats:
    most = values.max(axis=axis, keepdims=True)
    summed: Floats = np.log(np.exp(values - most).sum(axis=axis)) + most.squeeze(axis)
    return summed
