"""Models that tell or embed, taken along."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from small_project import opened

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput
from inhouse.project.exporting import export


def test_an_embedder_leaves_as_it_was_and_as_onnx(made: Path):
    pytest.importorskip("onnx")
    ref, folder = Ref.parse("models/minilm"), made.parent
    with opened(made) as project:
        source = project.catalog.load(ref).folder
        export(project, ref, folder / "hf")
        done = export(project, ref, folder / "onnx", "onnx")
        with pytest.raises(BadInput, match="of the family 'bert'"):
            export(project, ref, folder / "gguf", "gguf")
        assert not (folder / "gguf").exists()
    name = "model.safetensors"
    assert (folder / "hf" / name).read_bytes() == (source / name).read_bytes()
    assert {"model.onnx", "tokenizer.json", "labels.json", "README.md", "config.json"} == set(
        os.listdir(folder / "onnx")
    )
    assert json.loads((folder / "onnx" / "labels.json").read_text())["ref"] == done.ref.pinned
    # Longer texts than it reads are cut by the tokenizer that goes along.
    tokenizer = json.loads((folder / "onnx" / "tokenizer.json").read_text())
    assert tokenizer["truncation"]["max_length"] == 64
