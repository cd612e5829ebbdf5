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
    """Texts side by side, the longest first: word `w` of column `t` is row `rows[w, t]` of all.

    The first `many[w]` columns have a word `w`; `there` says the same, place by place.
    """

    rows: Marks
    there: npt.NDArray[np.bool_]
    many: list[int]


def side_by_side(lengths: Sequence[int]) -> Batch:
    """Return where the words of each text are among those of all, shape [longest, texts]."""
    sizes = np.asarray(lengths, np.int64)
    order = np.argsort(-sizes, kind="stable")
    starts = (np.cumsum(sizes) - sizes)[order]
    places = np.arange(max(lengths, default=0))[:, None]
    there = places < sizes[order][None, :]
    return Batch(np.where(there, starts[None, :] + places, 0), there, there.sum(axis=1).tolist())


def likeliest(scores: Floats, moves: Floats, lengths: Sequence[int]) -> Marks:
    """Return the likeliest mark of each word (Viterbi).

    Args:
        scores: of each mark of each word, [words, marks].
        moves: of each mark after another, [marks + 1, marks]; the last row begins a text.
        lengths: how many words each text has.
    """
    rows, _, many = side_by_side(lengths)
    chosen = np.zeros(len(scores), np.int64)
    if not len(rows):
        return chosen
    inner = moves[:-1]
    best = scores[rows[0]] + moves[-1]
    came = np.zeros((*rows.shape, moves.shape[1]), np.int8)
    for word in range(1, len(rows)):
        n = many[word]
        ways = best[:n, :, None] + inner
        came[word, :n] = ways.argmax(axis=1)
        best[:n] = ways.max(axis=1) + scores[rows[word, :n]]
    mark = best.argmax(axis=1)
    for word in range(len(rows) - 1, -1, -1):
        n = many[word]
        chosen[rows[word, :n]] = mark[:n]
        mark[:n] = came[word, np.arange(n), mark[:n]]
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
    rows, there, many = batch
    forward, backward, total = _both_ways(scores, moves, batch)
    of_scores, of_moves = np.zeros_like(scores), np.zeros_like(moves)
    of_scores[rows[there]] = -np.exp(forward + backward - total[None])[there]
    of_moves[-1] = of_scores[rows[0, there[0]]].sum(axis=0)
    np.add.at(of_moves[-1], marks[rows[0, there[0]]], 1.0)
    for word in range(1, len(rows)):
        n = many[word]
        place, before = rows[word, :n], rows[word - 1, :n]
        ahead = scores[place] + backward[word, :n] - total[:n]
        pairs = forward[word - 1, :n, :, None] + moves[:-1] + ahead[:, None, :]
        of_moves[:-1] -= np.exp(pairs).sum(axis=0)
        np.add.at(of_moves, (marks[before], marks[place]), 1.0)
    of_scores[np.arange(len(scores)), marks] += 1.0
    return of_scores, of_moves


def _both_ways(scores: Floats, moves: Floats, batch: Batch) -> tuple[Floats, Floats, Floats]:
    """Return log-sums up to each word and from it on, [longest, texts, marks], and of all."""
    rows, _, many = batch
    inner = moves[:-1]
    forward = np.zeros((*rows.shape, moves.shape[1]), np.float32)
    backward = np.zeros_like(forward)
    forward[0] = scores[rows[0]] + moves[-1]
    ended = forward[0].copy()
    for word in range(1, len(rows)):
        n = many[word]
        ways = _log_sum(forward[word - 1, :n, :, None] + inner, axis=1)
        ended[:n] = forward[word, :n] = ways + scores[rows[word, :n]]
    for word in range(len(rows) - 1, 0, -1):
        n = many[word]
        ahead = scores[rows[word, :n]] + backward[word, :n]
        backward[word - 1, :n] = _log_sum(inner + ahead[:, None, :], axis=2)
    return forward, backward, _log_sum(ended, axis=1)[:, None]


def _log_sum(values: Floats, *, axis: int) -> Floats:
    most = values.max(axis=axis, keepdims=True)
    summed: Floats = np.log(np.exp(values - most).sum(axis=axis)) + most.squeeze(axis)
    return summed
