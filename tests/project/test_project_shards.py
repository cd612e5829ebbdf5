"""Tokens that somebody made before, in MosaicML's shards: named in inhouse.yaml, and mixed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from project.test_project_trained import tiny_base
from small_project import edit, opened, write
from train.test_mosaic import shaped, write_shards

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, ProjectError
from inhouse.core.label import Label
from inhouse.train.tokens import Tokens

FILE = """\
project: shards
groups: {team: [ana]}
data:
  old: {shards: ./shards, of: models/base, label: team}
models:
  base: {from: "file:./base"}
  next: {method: continue, base: models/base, mix: {data/old: 1}, budget: {tokens: 1k},
         rate: 0.01, length: 64, batch: 2}
"""
NO_BASE = {"base/model.safetensors": "", "base/config.json": "{}"}


def samples(folder: Path, *, most: int = 260, many: int = 40) -> np.ndarray:
    """Write samples in two shards; return their tokens one after the other."""
    chance = np.random.default_rng(many)
    values = [chance.integers(0, most, 50 + n).astype(np.uint16) for n in range(many)]
    rows = [[shaped(value)] for value in values]
    write_shards(folder, {"tokens": ("ndarray:uint16", None)}, [rows[:15], rows[15:]])
    return np.concatenate(values)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    samples(tmp_path / "shards")
    return write(tmp_path, {"inhouse.yaml": FILE, **NO_BASE}) / "inhouse.yaml"


def refused(file: Path) -> ProjectError:
    with pytest.raises(ProjectError) as error, opened(file) as project:
        project.plan()
    return error.value


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("./shards", "./nowhere", "holds no index.json that can be read"),
        ("of: models/base", "of: models/bass", "'models/bass' is not among the models"),
        (", of: models/base", "", "'data.old.of' is missing"),
        (
            "models:\n",
            "  more: {from: data/old, steps: [dedup]}\nmodels:\n",
            "'data/old' holds tokens, and texts are wanted here",
        ),
        (
            "models:\n",
            "  mix: {from: data/old, steps: [dedup]}\nmodels:\n",
            "'data/old' holds tokens, and texts are wanted here",
        ),
        (
            "base: models/base, mix",
            "base: models/other, mix",
            "data/old holds tokens of models/base, and models/other has another tokenizer",
        ),
        ("method: continue", "method: instruct", "'method: instruct' learns from chats"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(file: Path, old: str, new: str, said: str):
    edit(file, old, new)
    edit(file, "models:\n", 'models:\n  other: {from: "file:./base"}\n')
    assert said in str(refused(file))


def test_shards_that_are_cut_off_or_packed_are_told_before_anything_is_made(file: Path):
    shard = file.parent / "shards" / "shard.00001.mds"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    assert "shard.00001.mds has not as many bytes as index.json says" in str(refused(file))
    shard.unlink()
    index = shard.with_name("index.json")
    told = json.loads(index.read_bytes())
    told["shards"][1]["zip_data"] = {"basename": "shard.00001.mds.zstd"}
    index.write_text(json.dumps(told))
    error = refused(file)
    for wrong in ({"shards": [{}]}, {"shards": {"a": 1}}, {"shards": [told["shards"][0]] * 2}):
        index.write_text(json.dumps(wrong))
        assert "index.json" in str(refused(file))
    assert "shard.00001.mds is missing" in str(error)
    assert "Decompress shard.00001.mds.zstd beside it" in error.fix


@pytest.mark.train
def test_they_become_tokens_with_their_label_and_are_made_anew_if_they_change(file: Path):
    tiny_base(file.parent / "base")
    wanted = samples(file.parent / "shards")
    path = Ref.parse("models/base/tokens-old")
    with opened(file) as project:
        project.run(str(path))
        made = project.artifact(path)
        assert made.label == Label.parse("team")
        assert [edge.parent.path for edge in made.parents] == ["data/old", "models/base"]
        assert (made.summary["documents"], made.summary["tokens"]) == (40, len(wanted))
        tokens = Tokens(project.catalog.load(path).folder)
        assert np.asarray(tokens.ids).tolist() == wanted.tolist()
        assert project.artifact(Ref.parse("data/old")).summary["samples"] == 40
    samples(file.parent / "shards", many=41)
    with opened(file) as project:
        project.run(str(path))
        assert project.artifact(path).summary["documents"] == 41
    samples(file.parent / "shards", most=300)
    with opened(file) as project, pytest.raises(BadInput, match="outside of the vocabulary of 260"):
        project.run(str(path))


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_a_model_learns_from_them(file: Path):
    tiny_base(file.parent / "base")
    with opened(file) as project:
        project.run("models/next")
        summary = project.artifact(Ref.parse("models/next")).summary
    assert summary["shares"] == {"data/old": 1024}
    assert summary["last_loss"] < summary["first_loss"]
