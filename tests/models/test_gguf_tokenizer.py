"""Tokenizers rebuilt from GGUF metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from inhouse.core.errors import BadInput
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.gguf_tokenizer import build_tokenizer

CASES = {
    "a 1": ["a", "Ġ", "1"],
    "in 2024, 15%": ["in", "Ġ", "2", "0", "2", "4", ",", "Ġ", "1", "5", "%"],
    "x=10": ["x", "=", "1", "0"],
    "Hello world": ["Hello", "Ġworld"],
    "it's": ["it", "'s"],
    "a  b": ["a", "Ġ", "Ġb"],
}


@pytest.mark.weights
@pytest.mark.parametrize("text", CASES)
def test_spaces_and_digits_are_split_as_in_training(text: str, language_weights: Path) -> None:
    assert load_tokenizer(language_weights).encode(text).tokens == CASES[text]


@pytest.mark.weights
@pytest.mark.parametrize("text", [*CASES, "naïve 日本語 🙂\n\t x", "def f(x):\n    return 1\n"])
def test_text_comes_back_whole(text: str, language_weights: Path) -> None:
    tokenizer = load_tokenizer(language_weights)
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


@pytest.mark.weights
def test_special_tokens_are_known(language_weights: Path) -> None:
    tokenizer = load_tokenizer(language_weights)
    assert tokenizer.encode("<|im_start|>a<|im_end|>").ids[0] == 1
    assert tokenizer.get_added_tokens_decoder()[2].special


def small(**more: object) -> dict[str, object]:
    metadata = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": ["a", "b", "ab", "<s>", "<tool>"],
        "tokenizer.ggml.token_type": [1, 1, 1, 3, 4],
        "tokenizer.ggml.merges": ["a b"],
    }
    return metadata | {f"tokenizer.ggml.{k}": v for k, v in more.items()}


def test_a_first_token_is_added_where_the_file_says_so() -> None:
    assert build_tokenizer(small()).encode("ab").ids == [2]
    with_first = build_tokenizer(small(bos_token_id=3, add_bos_token=True))
    assert with_first.encode("ab<tool>").ids == [3, 2, 4]


@pytest.mark.parametrize("change", [{"model": "llama"}, {"pre": "unheard-of"}])
def test_other_vocabularies_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="cannot be rebuilt"):
        build_tokenizer(small(**change))
