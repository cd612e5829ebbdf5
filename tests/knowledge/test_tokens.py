from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.knowledge.tokens import SHARING, condense, cosines

WIDTH = 32


def units(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(st.integers(0, 99), st.integers(1, 40))
def test_neighbours_share_a_vector_and_keep_its_direction(seed: int, count: int) -> None:
    tokens, question = units(seed, count), units(seed + 100, 5)
    groups = [tokens[i : i + SHARING].sum(axis=0) for i in range(0, count, SHARING)]
    shared = np.stack([group / np.linalg.norm(group) for group in groups])
    condensed = condense(tokens)
    assert len(condensed) == len(groups) * WIDTH
    assert cosines(question, condensed) == pytest.approx(question @ shared.T, abs=0.01)


def test_without_tokens_there_are_no_cosines() -> None:
    none = np.empty((0, WIDTH), np.float32)
    assert condense(none) == b""
    assert cosines(units(1, 3), b"").shape == (3, 0)
    assert cosines(none, condense(units(1, 3))).shape == (0, 1)
    assert not cosines(units(1, 3), condense(np.zeros((2, WIDTH), np.float32))).any()
