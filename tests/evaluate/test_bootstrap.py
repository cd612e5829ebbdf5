from __future__ import annotations

import math

import pytest

from inhouse.evaluate.bootstrap import Interval, interval, resampled
from inhouse.evaluate.refusal import auroc


def test_an_interval_holds_the_mean_and_narrows_with_more_questions() -> None:
    few, many = interval([0, 1] * 20), interval([0, 1] * 2000)
    assert few.mean == many.mean == 0.5
    assert few.low < many.low < 0.5 < many.high < few.high
    # 1.96 standard errors of a fair coin thrown 4000 times.
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(4000), rel=0.15)
    assert interval([0, 1] * 20) == few
    assert interval([0.25]) == Interval(0.25, 0.25, 0.25)


def test_no_values_have_no_interval() -> None:
    with pytest.raises(ValueError, match="nothing to average"):
        interval([])


def test_an_interval_of_a_measure_holds_it_and_is_the_same_every_time() -> None:
    answerable, others = [0.1 * i for i in range(20)], [0.1 * i for i in range(12)]
    found = resampled(auroc, answerable, others)
    assert found.low < found.mean < found.high
    assert found == resampled(auroc, answerable, others)
    assert resampled(auroc, [1.0], [0.0]).low == 1
