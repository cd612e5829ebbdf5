"""kill -9 at random moments of a sync with the real embedder: the bench's check, in short."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.weights,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform == "win32", reason="kills with signals"),
]


def test_fifty_kills_tear_and_lose_nothing(weights_store: Path, tmp_path: Path):
    from bench.harness.killing import Killing

    tally = Killing(tmp_path / "project", weights_store, pages=16, seed=7).kill(50)
    assert tally.kills == 50
    assert (tally.torn, tally.lost) == ([], [])
