"""Constraints are tried before the pipeline sees them, and what was tried takes no room."""

from __future__ import annotations

from pathlib import Path

import pytest

import inhouse.models.openvino  # noqa: F401 - keeps OpenVINO from reporting its use
from inhouse.models.openvino import grammar
from inhouse.models.openvino.grammar import FOLDER, Trial, save_vocabulary


def test_what_was_tried_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino_genai

    monkeypatch.setattr(grammar, "KEPT", 2)
    save_vocabulary([bytes([i]) for i in range(256)], 255, tmp_path / FOLDER)
    trial = Trial(openvino_genai.Tokenizer(str(tmp_path / FOLDER)), 256)
    for word in ("one", "two", "three", "four", "five"):
        assert trial.fault("regex", word) is None
        assert len(trial._good) <= 2
    assert {len(digest) for digest in trial._good} == {32}
    assert trial.fault("regex", "((") is not None
