"""A row of prompts, off which answers branch: each prompt is read once for all of its answers.

Answers do not see one another, nor another prompt (prefix sharing: Wang and Hegde, arXiv
2410.20305). What is done with the likelihood of an answer is the business of `preference`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Branches:
    """What a model is given of a row, without the places that hold nothing.

    Args:
        tokens: int64 [n].
        positions: int64 [n], those that each would have if its answer stood alone.
        visible: bool [n, n], which tokens each one sees.
        said_from: int64 [m], the places from which the tokens of answers are said.
        said: int64 [m], these tokens.
        answer: int64 [m], which of the row's answers each belongs to.
        answers: how many answers each prompt has, in order.
    """

    tokens: Places
    positions: Places
    visible: NDArray[np.bool_]
    said_from: Places
    said: Places
    answer: Places
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt and its answers, as tokens; an answer begins behind the prompt's last token."""

    prompt: Places
    answers: tuple[Places, ...]


def prompted(tokens: Places, loss: NDArray[np.bool_], positions: Places) -> Iterator[Prompted]:
    """Yield prompts and answers of a packed row: arrays [length], as a mixer gives them."""
    borders = [*np.flatnonzero(positions == 0).tolist(), len(tokens)]
    for start, end in pairwise(borders):
        learnt = np.concatenate([[False], loss[start:end], [False]])
        firsts, lasts = np.flatnonzero(np.diff(learnt)).reshape(-1, 2).T.tolist()
        if firsts:
            own = tokens[start:end]
            answers = (own[a:b] for a, b in zip(firsts, lasts, strict=True))
            yield Prompted(own[: firsts[0]], tuple(answers))


def exchanged(row: Sequence[Prompted]) -> list[Prompted]:
    """Return each prompt with the first answer to the next one, which has nothing to do with it."""
    others = [*row[1:], *row[:1]]
    return [Prompted(own.prompt, other.answers[:1]) for own, other in zip(row, others, strict=True)]


def branches(row: Sequence[Prompted]) -> Branches:
    """Return what a model is given of prompts and answers.

    An answer's branch begins with the last token of the prompt, each with one of its own.
    """
    tokens: list[Places] = []
    positions: list[Places] = []
    prompt_of: list[Places] = []
    branch_of: list[Places] = []
    said_from: list[Places] = []
    place = branch = 0
    for number, one in enumerate(row):
        trunk = len(one.prompt) - 1
        parts = [one.prompt[:-1]]
        parts += [np.concatenate([one.prompt[-1:], answer[:-1]]) for answer in one.answers]
        for which, part in enumerate(parts):
            branch += which > 0
            tokens.append(part)
            positions.append(np.arange(len(part)) + (trunk if which else 0))
            prompt_of.append(np.full(len(part), number))
            branch_of.append(np.full(len(part), branch if which else 0))
            if which:
                said_from.append(np.arange(place, place + len(part)))
            place += len(part)
    of, within = np.concatenate(prompt_of), np.concatenate(branch_of)
    sees = (of[:, None] == of) & ((within == 0) | (within[:, None] == within))
    starts = np.concatenate(said_from)
    return Branches(
        tokens=np.concatenate(tokens),
        positions=np.concatenate(positions),
        visible=np.tril(sees),
        said_from=starts,
        said=np.concatenate([answer for one in row for answer in one.answers]),
        answer=within[starts] - 1,
        answers=tuple(len(one.answers) for one in row),
    )
