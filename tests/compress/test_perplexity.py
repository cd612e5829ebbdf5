"""Which smaller model is kept, and how sure it is that it is good enough."""

from __future__ import annotations

import numpy as np
import pytest

from inhouse.compress.perplexity import Read, Rise, rise, smallest


def read(per_token: np.ndarray, counts: np.ndarray) -> Read:
    return Read(per_token * counts, counts.astype(np.float64))


def test_a_rise_is_that_of_the_perplexity_of_all_tokens():
    draw = np.random.default_rng(1)
    counts = draw.integers(100, 600, 40)
    before = draw.normal(3.0, 0.5, 40)
    after = before + np.log(1.03) + draw.normal(0, 0.01, 40)
    found = rise(read(after, counts), read(before, counts))
    wanted = read(after, counts).perplexity / read(before, counts).perplexity - 1
    assert found.share == pytest.approx(wanted, abs=1e-4)
    assert found.low < 0.03 < found.high
    assert found.high - found.low < 0.02  # texts differ far more than the two models on each text
    same = rise(read(before, counts), read(before, counts))
    assert (same.share, same.low, same.high) == (0, 0, 0)


def test_the_interval_holds_what_is_true_mostly():
    draw, held = np.random.default_rng(2), 0
    counts = np.full(32, 500)
    for _ in range(60):
        before = draw.normal(3.0, 0.5, 32)
        after = before + np.log(1.02) + draw.normal(0, 0.05, 32)
        found = rise(read(after, counts), read(before, counts))
        held += found.low <= 0.02 <= found.high
    assert 51 <= held <= 60


def risen(*highs: float) -> list[Rise]:
    return [Rise(high - 0.01, high - 0.02, high) for high in highs]


def test_the_smallest_that_keeps_to_both_limits_is_kept():
    sizes = [100, 60, 40, 30]
    assert smallest(risen(0.001, 0.015, 0.019, 0.3), sizes, share=0.02, most=np.inf) == 2
    assert smallest(risen(0.001, 0.015, 0.05, 0.3), sizes, share=0.02, most=np.inf) == 1
    assert smallest(risen(0.001, 0.015, 0.019, 0.3), sizes, share=0.02, most=70) == 2
    # None is small enough: the smallest of those that lose little; none loses little: the best.
    assert smallest(risen(0.001, 0.03, 0.05, 0.3), sizes, share=0.02, most=70) == 0
    assert smallest(risen(0.09, 0.04, 0.05, 0.3), sizes, share=0.02, most=70) == 1
