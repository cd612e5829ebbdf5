"""GGUF files as they are written: the same model for llama.cpp, and for ourselves."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Message
from inhouse.core.protocols import Sampling
from inhouse.models.gguf_file import GgufFile
from inhouse.models.gguf_tokenizer import LLAMA3
from inhouse.models.gguf_writer import Kept, write_gguf
from inhouse.models.language import LocalModel
from inhouse.models.llama_engine import VARIABLE
from inhouse.models.load import load_language
from inhouse.models.pull import Pull
from inhouse.models.weights import open_weights
from models.conftest import run_pull
from models.test_families import FAMILIES

TEXTS = ["the rat that sat on the hat", "on hats that rats sat: 12345", "\n\n  at's at'S   then"]
WORDS = 160
LETTERS = [*map(chr, range(33, 127)), "Ġ", "Ċ"]
"""ASCII as a byte-level tokenizer spells it: llama-server is late with halves of longer letters."""


def write_words(folder: Path, pattern: str = LLAMA3) -> None:
    """Write a byte-level tokenizer with some merges and two special tokens."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, spelled])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS - 8, initial_alphabet=LETTERS, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_special_tokens(["<|start|>", "<|end|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": {"content": "<|end|>"}, "bos_token": "<|start|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = json.loads((folder / "config.json").read_text())
    config["eos_token_id"] = tokenizer.token_to_id("<|end|>")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")


def written(source: Path, file: Path, kept: Kept = "f32") -> GgufFile:
    file.parent.mkdir(exist_ok=True)
    write_gguf(open_weights(source), source, file, kept=kept, name="tiny", licence="MIT")
    return GgufFile(file)


async def said(model: LocalModel, texts: list[str]) -> list[str]:
    found = []
    for text in texts:
        pieces = model.chat([Message("user", text)], Sampling(max_tokens=24))
        found.append("".join([piece.text async for piece in pieces]))
    await model.close()
    return found


@pytest.mark.train
@pytest.mark.parametrize("case", FAMILIES)
def test_a_model_of_each_family_comes_back(
    case: str, tiny: Callable[..., Path], tmp_path: Path
) -> None:
    family, change = FAMILIES[case]
    source = tiny(family, **change, vocab_size=WORDS)
    write_words(source)
    written(source, tmp_path / "file" / "model.gguf")
    run_pull(Pull(f"file:{tmp_path}/file"), tmp_path / "back")
    before, after = open_weights(source), open_weights(tmp_path / "back")
    factors = {"rope_freqs.weight"} if case == "llama3-scaling" else set()
    tied = {"lm_head.weight"} if before.config.get("tie_word_embeddings") else set()
    assert set(after.names) - factors == set(before.names) - tied
    for name in set(after.names) - factors:
        np.testing.assert_array_equal(after.take(name), before.take(name))
    ours, theirs = (Tokenizer.from_file(f"{f}/tokenizer.json") for f in (source, tmp_path / "back"))
    for text in (*TEXTS, "the <|end|>"):
        assert theirs.encode(text).ids == ours.encode(text).ids


@pytest.mark.train
@pytest.mark.parametrize("case", FAMILIES)
def test_llama_cpp_answers_as_transformers_does(
    case: str,
    tiny: Callable[..., Path],
    tmp_path: Path,
    llama_program: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, str(llama_program))
    family, change = FAMILIES[case]
    source = tiny(family, **change, vocab_size=WORDS)
    write_words(source)
    wanted = asyncio.run(said(load_language(source, name="t", engine="transformers"), TEXTS))
    served = Path(shutil.copytree(source, tmp_path / "served"))
    written(source, served / "model.gguf")
    settings: dict[str, Any] = {"exact": True, "threads": 1, "cache_gib": 0.1}
    found = asyncio.run(said(load_language(served, name="t", engine="llama", **settings), TEXTS))
    assert found == wanted


@pytest.mark.train
def test_precisions_keep_what_they_can(tiny: Callable[..., Path], tmp_path: Path) -> None:
    source = tiny("Llama", tie_word_embeddings=False, vocab_size=WORDS)
    write_words(source)
    exact = open_weights(source)
    bound: dict[Kept, float] = {"f16": 1e-3, "q8_0": 1e-2}
    for kept, most in bound.items():
        file = written(source, tmp_path / f"{kept}.gguf", kept)
        norm = "blk.0.attn_norm.weight"
        wanted = exact.take("model.layers.0.input_layernorm.weight")
        np.testing.assert_array_equal(file.read(norm), wanted)
        wanted = exact.take("lm_head.weight")
        difference = np.abs(file.read("output.weight") - wanted).max()
        assert difference <= most * np.abs(wanted).max()
    assert file.metadata["general.license"] == "MIT"
    assert file.metadata["tokenizer.chat_template"] == "{{ messages[0].content }}"
    assert file.metadata["tokenizer.ggml.token_type"][-1] == 5  # a row that no token has
    assert not file.metadata["tokenizer.ggml.add_bos_token"]


@pytest.mark.train
def test_a_tokenizer_that_cannot_be_told_is_refused(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    source = tiny("Llama", vocab_size=WORDS)
    write_words(source, pattern=r"\s+")
    with pytest.raises(BadInput, match="splits text in none of the ways gpt-2") as raised:
        written(source, tmp_path / "model.gguf")
    assert "--format hf" in raised.value.fix
    assert not (tmp_path / "model.gguf").exists()
    about = json.loads((source / "tokenizer.json").read_text())
    about["model"]["byte_fallback"] = True
    (source / "tokenizer.json").write_text(json.dumps(about))
    with pytest.raises(BadInput, match="not a byte-level BPE"):
        written(source, tmp_path / "model.gguf")
