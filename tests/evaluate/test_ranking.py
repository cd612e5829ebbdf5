from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.evaluate.ranking import hit, ndcg, recall, reciprocal_rank

IDS = st.lists(st.sampled_from("abcdefgh"), unique=True)
RELEVANT = st.sets(st.sampled_from("abcdefgh"), min_size=1)
MEASURES = (hit, recall, reciprocal_rank, ndcg)


def test_measures_of_a_ranking() -> None:
    ranked, relevant = ["x", "a", "y", "b"], {"a", "b", "c"}
    assert [hit(ranked, relevant, k) for k in (1, 2)] == [0, 1]
    assert [recall(ranked, relevant, k) for k in (1, 2, 4)] == [0, 1 / 3, 2 / 3]
    assert [reciprocal_rank(ranked, relevant, k) for k in (1, 2, 9)] == [0, 0.5, 0.5]
    best = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg(ranked, relevant, 4) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / best)


@given(IDS, RELEVANT, st.integers(1, 10))
def test_measures_lie_between_0_and_1_and_grow_with_k(
    ranked: list[str], relevant: set[str], k: int
) -> None:
    for measure in MEASURES:
        assert 0 <= measure(ranked, relevant, k) <= 1
    for measure in (hit, recall, reciprocal_rank):
        assert measure(ranked, relevant, k) <= measure(ranked, relevant, k + 1)


@given(RELEVANT, st.integers(1, 10))
def test_the_best_order_is_worth_one(relevant: set[str], k: int) -> None:
    ranked = [*sorted(relevant), "x", "y"]
    assert hit(ranked, relevant, k) == reciprocal_rank(ranked, relevant, k) == 1
    assert ndcg(ranked, relevant, k) == pytest.approx(1)
    assert recall(ranked, relevant, len(relevant)) == 1


@pytest.mark.parametrize("measure", [recall, ndcg])
def test_nothing_relevant_has_no_measure(measure) -> None:
    with pytest.raises(ValueError, match="nothing is relevant"):
        measure(["a"], set(), 5)
