"""A training whose memory is short takes smaller pieces and learns the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from train.test_language import FULL, WEIGHTS
from train.tiny_llama import DATA, repeated, tiny_llama, trained

from inhouse.core.errors import BadInput

pytestmark = pytest.mark.train


def short(most: int, losses: Callable[..., Any], after: int) -> Callable[..., Any]:
    """Return losses that take no more rows at once, from a moment on."""
    import torch

    times = 0

    def found(model: Any, given: Any) -> Any:
        nonlocal times
        times += model.training
        if model.training and times > after and len(given["input_ids"]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return losses(model, given)

    return found


def test_it_learns_the_same_in_smaller_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from safetensors.numpy import load_file

    from inhouse.train import stream, trainer

    monkeypatch.setattr(stream, "MOST_SCORES", 2 * 32 * 64)  # each step in two parts of two rows
    base, data = tiny_llama(tmp_path / "base"), {DATA: repeated(tmp_path / "data")}
    whole = trained(FULL, base, data, tmp_path / "whole").summary
    told: list[str] = []
    # The second part of the third step is the first that is too large.
    monkeypatch.setattr(trainer, "losses_of", short(1, trainer.losses_of, after=5))
    found = trained(
        FULL, base, data, tmp_path / "short", progress=lambda *said: told.append(said[2])
    ).summary
    one, other = (load_file(tmp_path / folder / WEIGHTS) for folder in ("whole", "short"))
    assert max(abs(one[name] - other[name]).max() for name in one) < 1e-5
    assert found["last_loss"] == pytest.approx(whole["last_loss"], abs=1e-4)
    assert found["memory"].startswith("was short: 1 of 2 rows at once")
    assert "memory" not in whole
    assert ["1 row at once" in said for said in told[:3]] == [False, False, True]


def test_one_row_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from inhouse.train import trainer

    base, data = tiny_llama(tmp_path / "base"), {DATA: repeated(tmp_path / "data")}
    monkeypatch.setattr(trainer, "losses_of", short(0, trainer.losses_of, after=0))
    with pytest.raises(BadInput, match="one row of 32 tokens at once") as refused:
        trained(FULL, base, data, tmp_path / "work")
    assert "Shorten 'length'" in refused.value.fix
