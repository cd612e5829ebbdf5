"""What engines read as it is: checked, and put where they find it."""

from __future__ import annotations

from pathlib import Path

import pytest

from inhouse.core.access import Actor
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context
from inhouse.models import ready
from models.conftest import as_input

CONFIG = '{{"model_type": "{}", "max_position_embeddings": 64}}'


def run(tmp_path: Path, engine: ready.EngineName, weights: str, family: str = "llama") -> Path:
    source, work = tmp_path / "source", tmp_path / "work"
    source.mkdir()
    work.mkdir()
    (source / "config.json").write_text(CONFIG.format(family))
    (source / weights).write_bytes(b"weights")
    found = ready.run(
        ready.Ready(engine), {"weights": as_input(source)}, Context(work, Actor("test"))
    )
    assert found.summary["engine"] == engine
    assert found.summary["context_tokens"] == 64
    return work


@pytest.mark.parametrize(
    ("engine", "weights"),
    [("llama", "model.gguf"), ("vllm", "model.safetensors"), ("transformers", "model.gguf")],
)
def test_weights_stay_as_they_are(tmp_path: Path, engine: ready.EngineName, weights: str) -> None:
    work = run(tmp_path, engine, weights)
    assert (work / weights).read_bytes() == b"weights"
    assert (work / "config.json").is_file()


@pytest.mark.parametrize(
    ("engine", "weights", "family", "what"),
    [
        ("llama", "model.safetensors", "llama", "llama-server reads GGUF files"),
        ("vllm", "model.gguf", "llama", "vLLM reads safetensors"),
        ("vllm", "model.safetensors", "bert", "is an embedder"),
    ],
)
def test_what_an_engine_cannot_read_is_refused(
    tmp_path: Path, engine: ready.EngineName, weights: str, family: str, what: str
) -> None:
    with pytest.raises(BadInput, match=what):
        run(tmp_path, engine, weights, family)


def test_an_engine_that_builds_its_own_form_is_none_of_these() -> None:
    with pytest.raises(BadInput, match="no such engine"):
        ready.Ready("openvino")
