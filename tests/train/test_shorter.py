"""A model with fewer layers: what is left out, and what it learns again from the whole one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from train.tiny_llama import DATA, VOCABULARY, opened, repeated, talks

from inhouse.core.access import Actor
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Result
from inhouse.models.weights import open_weights
from inhouse.train import language, shorter
from inhouse.train.language import BASE, TEACHER, Language
from inhouse.train.shorter import Shorter
from inhouse.train.windows import windows

LAYERS, IDLE = 6, 3

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of six layers, of which the fourth does next to nothing."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("whole")
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=LAYERS,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        bos_token_id=0, eos_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for part in (
            model.model.layers[IDLE].self_attn.o_proj,
            model.model.layers[IDLE].mlp.down_proj,
        ):
            part.weight.mul_(0.01)
    model.save_pretrained(folder)
    words = models.WordLevel({f"t{i}": i for i in range(VOCABULARY)}, "t0")
    Tokenizer(words).save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repeated(tmp_path_factory.mktemp("tokens") / "notes")


def cut(share: float, whole: Path, notes: Path, work: Path) -> Result:
    work.mkdir()
    inputs = {BASE: opened(whole, "models/whole"), DATA: opened(notes, DATA)}
    return shorter.STAGE.run(Shorter(share, length=32), inputs, Context(work, Actor("ana")))


def test_the_layers_that_do_least_are_left_out(whole: Path, notes: Path, tmp_path: Path):
    told = cut(0.17, whole, notes, tmp_path / "less").summary
    assert told["left_out"] == [IDLE]
    assert told["layers"] == LAYERS - 1
    before, after = open_weights(whole), open_weights(tmp_path / "less")
    assert after.config["num_hidden_layers"] == LAYERS - 1
    assert told["parameters"] == after.parameters < before.parameters
    for place, layer in enumerate([0, 1, 2, 4, 5]):
        end = "mlp.up_proj.weight"
        np.testing.assert_array_equal(
            after.take(f"model.layers.{place}.{end}"), before.take(f"model.layers.{layer}.{end}")
        )
    with pytest.raises(BadInput, match="has 6 layers, too few to leave out 6"):
        cut(0.99, whole, notes, tmp_path / "none")


def test_it_learns_to_answer_as_the_whole_one_does(whole: Path, notes: Path, tmp_path: Path):
    import torch

    from inhouse.train.language_model import load_model

    cut(0.34, whole, notes, tmp_path / "less")
    spec = Language("continue", ((DATA, 1.0),), tokens=4096, length=32, batch=8, rate=3e-3, lora=0)
    work = tmp_path / "taught"
    work.mkdir()
    inputs = {
        BASE: opened(tmp_path / "less", "models/less"),
        TEACHER: opened(whole, "models/whole"),
        DATA: opened(notes, DATA),
    }
    told = language.STAGE.run(spec, inputs, Context(work, Actor("ana"), 0)).summary
    assert told["last_loss"] < 0.7 * told["first_loss"]
    tokens = torch.from_numpy(np.stack([w.tokens for w in windows(notes, 32, 8)]))
    with torch.inference_mode():
        says = {
            name: load_model(folder).eval()(input_ids=tokens).logits.log_softmax(-1)
            for name, folder in (("whole", whole), ("less", tmp_path / "less"), ("taught", work))
        }
    off = {
        name: float((says["whole"].exp() * (says["whole"] - says[name])).sum(-1).mean())
        for name in ("less", "taught")
    }
    assert 0 < off["taught"] < 0.7 * off["less"]


def test_windows_come_from_all_of_it_and_count_what_is_said(notes: Path, tmp_path: Path):
    found = windows(notes, 32, 10)
    assert len(found) == 10
    assert {len(window.tokens) for window in found} == {32}
    assert all(not window.counts[0] and window.counts[1:].all() for window in found)
    chats = windows(talks(tmp_path / "chats"), 32, 10)
    assert all(0 < window.counts.sum() < 31 for window in chats)
    assert len(windows(notes, 4096, 99)[0].tokens) == 40 * 49 // 16
    few = repeated(tmp_path / "few", documents=2)
    with pytest.raises(BadInput, match="98 tokens are too few"):
        windows(few, 32, 10)
