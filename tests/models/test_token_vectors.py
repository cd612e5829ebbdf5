"""The vectors of tokens, where a model gives them no direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from small_project import tiny_encoder

from inhouse.models.load import load_embedder
from models.conftest import run_build


def test_a_token_without_direction_stays_zero(tmp_path: Path) -> None:
    file = tiny_encoder(tmp_path / "encoder") / "model.safetensors"
    last = "encoder.layer.0.output.LayerNorm"
    nothing = {name: value * (last not in name) for name, value in load_file(file).items()}
    save_file(nothing, file)
    run_build(file.parent, tmp_path / "built")
    vectors, (tokens,) = load_embedder(tmp_path / "built").embed_tokens(["abc"], starts=[0])
    assert tokens.shape == (3, 16)
    assert not tokens.any()
    assert np.isfinite(vectors).all()
