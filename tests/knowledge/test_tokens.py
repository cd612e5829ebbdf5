from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.knowledge.tokens import SHARING, condense, meeting

WIDTH = 32


def units(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_question_is_met_by_itself_alone() -> None:
    axes = np.eye(WIDTH, dtype=np.float32)
    passage = condense(np.repeat(axes[:4], SHARING, axis=0))
    assert meeting(axes[:4], passage) == pytest.approx(1)
    assert meeting(axes[2:6], passage) == pytest.approx(0.5)
    assert meeting(axes[4:], passage) == 0


@given(st.integers(0, 99), st.integers(1, 40))
def test_it_is_the_mean_of_the_best_cosines(seed: int, count: int) -> None:
    tokens, question = units(seed, count), units(seed + 100, 5)
    groups = [tokens[i : i + SHARING].sum(axis=0) for i in range(0, count, SHARING)]
    shared = np.stack([group / np.linalg.norm(group) for group in groups])
    wanted = (question @ shared.T).max(axis=1).mean()
    condensed = condense(tokens)
    assert len(condensed) == len(groups) * WIDTH
    assert meeting(question, condensed) == pytest.approx(wanted, abs=0.01)


def test_without_tokens_nothing_is_met() -> None:
    none = np.empty((0, WIDTH), np.float32)
    assert condense(none) == b""
    assert meeting(units(1, 3), b"") == 0
    assert meeting(none, condense(units(1, 3))) == 0
    assert meeting(units(1, 3), condense(np.zeros((2, WIDTH), np.float32))) == 0
