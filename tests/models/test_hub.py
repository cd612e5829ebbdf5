"""The hub, against a small server that speaks like it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub import hub, use_hub
from safetensors.numpy import save

from inhouse.core.errors import BadInput, ProviderError
from inhouse.models.pull import Pull
from models.conftest import run_pull

COMMIT = "c" * 40
FILES = {
    "config.json": b'{"model_type": "bert", "max_position_embeddings": 8}',
    "model.safetensors": save({"w": np.ones(3, np.float32)}),
    "pytorch_model.bin": b"pickle",
    "tokenizer.json": b"{}",
    "modeling.py": b"raise SystemExit",
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Start the hub, and return the paths that it was asked for."""
    with hub(monkeypatch, "models/org/tiny", COMMIT, FILES) as paths:
        yield paths


def test_a_pinned_revision_is_fetched(asked: list[str], tmp_path: Path) -> None:
    summary = run_pull(Pull(f"hf://org/tiny@{COMMIT}"), tmp_path / "work")
    assert {p.name for p in (tmp_path / "work").iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    assert summary["parameters"] == 3
    assert not [path for path in asked if path.endswith((".bin", ".py"))]


def test_an_unknown_revision_is_named(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no hf://org/tiny@ddd"):
        run_pull(Pull("hf://org/tiny@" + "d" * 40), tmp_path / "work")


def test_a_name_that_may_move_needs_a_pin() -> None:
    with pytest.raises(BadInput, match="may come to mean other weights"):
        Pull("hf://org/tiny@v1")
    assert Pull("hf://org/tiny@v1", "0" * 64).sha256


def test_an_unreachable_hub_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    use_hub(monkeypatch, unused_tcp_port)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # it would try for half a minute
    with pytest.raises(ProviderError, match="did not deliver hf://org/tiny"):
        run_pull(Pull(f"hf://org/tiny@{COMMIT}"), tmp_path / "work")
