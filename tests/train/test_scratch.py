"""A model of nothing but documents: its words, its sizes, and its weights by chance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from train.tiny_llama import opened

from inhouse.catalog.rows import write_documents
from inhouse.core.access import Actor
from inhouse.core.errors import BadInput
from inhouse.core.nouns import Document, Message
from inhouse.core.stage import Context
from inhouse.models.chat_format import ChatFormat, load_tokenizer
from inhouse.models.weights import open_weights
from inhouse.train import blank, stretch, vocabulary
from inhouse.train.sizes import ASPECT, pace, sizes_of

MEMO = "The price of the blue book is seven, and that of the red one is nine.\n"


def documents(folder: Path, text: str, many: int) -> Path:
    folder.mkdir()
    write_documents(folder, [Document(f"{n}.md", "", text, f"{n:064x}") for n in range(many)])
    return folder


def words_of(mix: dict[str, float], folders: dict[str, Path], work: Path, words: int = 300) -> Path:
    work.mkdir()
    spec = vocabulary.Vocabulary(tuple(mix.items()), words)
    inputs = {name: opened(folder, name) for name, folder in folders.items()}
    vocabulary.STAGE.run(spec, inputs, Context(work, Actor("ana")))
    return work


def blank_of(words: Path, work: Path, *, context: int = 64, seed: int = 0) -> Path:
    work.mkdir()
    spec = blank.Blank(500_000, 512, context)
    inputs = {"vocabulary": opened(words, "models/own/vocabulary")}
    blank.STAGE.run(spec, inputs, Context(work, Actor("ana"), seed))
    return work


@pytest.mark.parametrize("size", [500_000, 3_000_000, 10_000_000, 135_000_000, 7_000_000_000])
def test_one_dial_gives_all_sizes(size: int):
    found = sizes_of(size)
    assert abs(found.parameters / size - 1) < 0.15
    assert found.heads * 64 == found.width
    assert ASPECT / 2.5 < found.width / found.layers < ASPECT * 2.5
    assert found.words & (found.words - 1) == 0


def test_larger_models_have_more_words_and_lower_rates():
    small, large = sizes_of(3_000_000), sizes_of(300_000_000)
    assert small.words < large.words
    (fast, few), (slow, many) = pace(small, 10**7), pace(large, 10**9)
    assert fast > slow
    assert few < many


@pytest.mark.parametrize(("size", "words"), [(10, None), (10**11, None), (10**6, 100_000)])
def test_sizes_that_cannot_be(size: int, words: int | None):
    with pytest.raises(BadInput):
        sizes_of(size, words)


def test_words_are_learnt_by_the_shares_of_a_mix(tmp_path: Path):
    folders = {
        "data/a": documents(tmp_path / "a", "elephant " * 40, 20),
        "data/b": documents(tmp_path / "b", "zeppelin " * 40, 200),
    }
    rare = words_of({"data/a": 0.02, "data/b": 0.98}, folders, tmp_path / "rare", 266)
    even = words_of({"data/a": 0.5, "data/b": 0.5}, folders, tmp_path / "even", 266)
    again = words_of({"data/a": 0.5, "data/b": 0.5}, folders, tmp_path / "again", 266)
    alone = len(load_tokenizer(rare).encode(" elephant").ids)
    assert len(load_tokenizer(even).encode(" elephant").ids) < alone
    assert (even / "tokenizer.json").read_bytes() == (again / "tokenizer.json").read_bytes()
    config = json.loads((even / "config.json").read_text())
    assert config["vocab_size"] == load_tokenizer(even).get_vocab_size() <= 266


def test_any_text_can_be_written_and_chats_have_turns(tmp_path: Path):
    folder = documents(tmp_path / "a", MEMO, 20)
    words = words_of({"data/a": 0.0}, {"data/a": folder}, tmp_path / "words")
    tokenizer, form = load_tokenizer(words), ChatFormat(words)
    for text in ("naïve 日本 🙂\n\ttabs", "12345"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    messages = [Message("user", "Hi"), Message("assistant", "Yes <|im_end|>")]
    assert form.render(messages, answering=False) == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes <|im_end|><|im_end|>\n"
    )
    tokens = form.encode(messages)
    assert tokens.count(2) == 2
    assert form.render(messages[:1]).endswith("<|im_end|>\n<|im_start|>assistant\n")


def test_words_are_learnt_from_documents_alone(tmp_path: Path):
    empty = documents(tmp_path / "a", "", 2)
    with pytest.raises(BadInput, match="holds no text"):
        words_of({"data/a": 1.0}, {"data/a": empty}, tmp_path / "words")


@pytest.mark.train
def test_blank_weights_hang_on_the_seed_and_stretch(tmp_path: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = documents(tmp_path / "a", MEMO, 20)
    words = words_of({"data/a": 0.0}, {"data/a": folder}, tmp_path / "words")
    made = [blank_of(words, tmp_path / f"{n}", seed=seed) for n, seed in enumerate((0, 0, 1))]
    files = [(one / "model.safetensors").read_bytes() for one in made]
    assert files[0] == files[1] != files[2]
    assert "lm_head.weight" not in open_weights(made[0])

    work = tmp_path / "long"
    work.mkdir()
    inputs = {"weights": opened(made[0], "models/own")}
    told = stretch.STAGE.run(stretch.Stretch(256), inputs, Context(work, Actor("ana"))).summary
    assert (told["before"], told["context_tokens"]) == (64, 256)
    model = AutoModelForCausalLM.from_pretrained(work, local_files_only=True)
    rope = model.config.rope_parameters
    assert (rope["rope_type"], rope["factor"]) == ("yarn", 4.0)
    assert model.config.max_position_embeddings == 256
    tokens = AutoTokenizer.from_pretrained(work, local_files_only=True)(MEMO).input_ids
    assert len(tokens) < len(MEMO) / 2
    assert (work / "model.safetensors").read_bytes() == files[0]

    # Once more: it is stretched from where it began.
    twice = tmp_path / "longer"
    twice.mkdir()
    inputs = {"weights": opened(work, "models/own")}
    stretch.STAGE.run(stretch.Stretch(512), inputs, Context(twice, Actor("ana")))
    scaling = json.loads((twice / "config.json").read_text())["rope_scaling"]
    assert (scaling["factor"], scaling["original_max_position_embeddings"]) == (8.0, 64)
    with pytest.raises(BadInput, match="reads 512 tokens as it is"):
        stretch.STAGE.run(
            stretch.Stretch(512),
            {"weights": opened(twice, "models/own")},
            Context(work, Actor("a")),
        )
