from __future__ import annotations

import numpy as np
import pytest

from inhouse.knowledge.rank import (
    BESIDE,
    OPENED,
    OPENING,
    PUNCTUATION,
    UNEVEN,
    combined,
    met,
    read,
    token_weights,
)
from inhouse.knowledge.tokens import SHARING, Vectors, condense

WIDTH = 64
AXES = np.eye(WIDTH, dtype=np.float32)
"""Token vectors that have nothing in common."""


def passage(*axes: int) -> bytes:
    return condense(np.repeat(AXES[list(axes)], SHARING, axis=0))


def meeting(question: Vectors, opening: bytes, nearest: bytes, *beside: bytes) -> float:
    first, near, *others = (read(question, each) for each in (opening, nearest, *beside))
    return met(np.ones(len(question)), first, near, others)


def test_a_question_is_met_by_itself_alone() -> None:
    own, half, other = passage(0, 1, 2, 3), passage(2, 3, 4, 5), passage(4, 5)
    assert meeting(AXES[:4], own, own) == pytest.approx(1)
    assert meeting(AXES[:4], half, half) == pytest.approx(0.5 - UNEVEN / 2)
    assert meeting(AXES[:4], other, other) == 0


def test_the_first_passage_and_the_nearest_count_the_same() -> None:
    own, other = passage(0, 1), passage(4, 5)
    assert meeting(AXES[:2], other, own) == pytest.approx((1 - OPENED) / 2)
    assert meeting(AXES[:2], own, other) == pytest.approx((1 - OPENED) / 2 + OPENED)


def test_what_is_said_early_counts_more() -> None:
    early, late = passage(0, *range(1, OPENING + 9)), passage(*range(1, OPENING + 9), 0)
    assert meeting(AXES[:1], early, early) == pytest.approx(1)
    assert meeting(AXES[:1], late, late) == pytest.approx(1 - OPENED)


def test_a_section_beside_it_helps_where_it_says_nothing_itself() -> None:
    own, other = passage(0, 1), passage(2, 3)
    alone, beside = meeting(AXES[:4], own, own), (1 - OPENED) * BESIDE
    spread = UNEVEN * (1 - beside) / 2
    assert meeting(AXES[:4], own, own, other) == pytest.approx((1 + beside) / 2 - spread)
    assert meeting(AXES[:4], own, own, own) == pytest.approx(alone)
    assert meeting(AXES[:2], own, own) > meeting(AXES[:2], other, other, own, own)


def test_punctuation_counts_less_than_words() -> None:
    counting = token_weights(["rock", "\u2019", "n", "roll", "?!"])
    np.testing.assert_array_equal(counting, [1, PUNCTUATION, 1, 1, PUNCTUATION])
    word, mark = (read(AXES[:2], passage(axis)) for axis in range(2))
    by_word, by_mark = (met(token_weights(["key", "?"]), one, one, []) for one in (word, mark))
    assert by_word - by_mark == pytest.approx((1 - PUNCTUATION) / (1 + PUNCTUATION))
    assert met(token_weights(["?", "!"]), word, word, []) == pytest.approx(0.5 - UNEVEN / 2)


def test_without_tokens_nothing_is_met() -> None:
    assert meeting(AXES[:3], b"", b"") == 0
    assert meeting(AXES[:0], passage(1), passage(1)) == 0


def test_each_part_raises_the_score() -> None:
    none, all_ = np.zeros(2), np.ones(2)
    assert combined(all_, all_, all_) == pytest.approx([1, 1])
    for parts in np.eye(3):
        one = combined(*(none + part for part in parts))
        assert (one > 0).all() and (one < 1).all()
