from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.evaluate.refusal import auroc, curve, refused, threshold_for

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=30)


def test_auroc_counts_pairs() -> None:
    assert auroc([0.9, 0.8], [0.1, 0.2]) == 1
    assert auroc([0.1], [0.9]) == 0
    assert auroc([0.5, 0.5], [0.5]) == 0.5
    assert auroc([0.9, 0.3], [0.5]) == 0.5


@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_order(some: list[float], others: list[float]) -> None:
    pairs = [(a > b) + (a == b) / 2 for a in some for b in others]
    assert auroc(some, others) == pytest.approx(sum(pairs) / len(pairs))
    assert auroc(some, others) == pytest.approx(1 - auroc(others, some))


@given(SCORES, st.floats(0, 0.99))
def test_a_threshold_refuses_no_more_than_allowed(some: list[float], allowed: float) -> None:
    threshold = threshold_for(some, allowed)
    assert refused(some, threshold) <= allowed + 1e-9
    higher = [score for score in some if score > threshold]
    assert not higher or refused(some, min(higher)) > allowed


def test_the_curve_gives_what_is_refused_at_each_price() -> None:
    answerable = [i / 10 for i in range(10)]
    strict, loose = curve(answerable, [0.05, 0.15, 0.85], [0.0, 0.2])
    assert (strict.threshold, strict.false, strict.refused.mean) == (0.0, 0.0, 0.0)
    assert (loose.threshold, loose.false) == (0.2, 0.2)
    assert loose.refused.mean == pytest.approx(2 / 3)
    assert loose.refused.low <= 2 / 3 <= loose.refused.high


@pytest.mark.parametrize(("some", "others"), [([], [0.5]), ([0.5], [])])
def test_nothing_cannot_be_measured(some: list[float], others: list[float]) -> None:
    with pytest.raises(ValueError, match="nothing to measure"):
        auroc(some, others)
