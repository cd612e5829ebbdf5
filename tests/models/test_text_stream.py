"""Tokens to text, piece by piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from inhouse.models.text_stream import TextStream
from inhouse.models.vocabulary import Vocabulary


def byte_tokenizer() -> Tokenizer:
    """One token for each byte, so that characters and stop strings fall apart."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


BYTES = byte_tokenizer()


def pieces(text: str, stops: tuple[str, ...] = (), *, drop: int = 0) -> tuple[list[str], bool]:
    ids = BYTES.encode(text).ids
    stream = TextStream(BYTES, stops)
    given_out = [stream.push(i) for i in ids[: len(ids) - drop]]
    return [*given_out, stream.finish()], stream.stopped


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_the_pieces_are_the_text(text: str) -> None:
    assert "".join(pieces(text)[0]) == text


@given(st.text("ab<>é", max_size=30), st.lists(st.text("ab<>é", min_size=1, max_size=4)))
def test_nothing_from_a_stop_string_on_is_given_out(text: str, stops: list[str]) -> None:
    cuts = [i for i in map(text.find, stops) if i >= 0]
    found, stopped = pieces(text, tuple(stops))
    assert stopped == bool(cuts)
    # Several stop strings may overlap; the one that is whole first decides.
    ends = [text.find(s) + len(s) for s in stops if s in text]
    before = text[: min(ends)] if ends else text
    wanted = before[: min((i for i in map(before.find, stops) if i >= 0), default=len(before))]
    assert "".join(found) == wanted


@pytest.mark.parametrize("drop", [1, 2, 3])
def test_half_a_character_is_never_given_out(drop: int) -> None:
    assert "".join(pieces("ok🙂", drop=drop)[0]) == "ok"


def test_text_that_only_begins_like_a_stop_string_comes_later() -> None:
    found, stopped = pieces("a<|b", ("<|end|>",))
    assert found == ["a", "", "", "<|b", ""]
    assert not stopped
    assert pieces("a<|", ("<|end|>",))[0] == ["a", "", "", "<|"]


def test_the_bytes_of_tokens_are_known_in_both_kinds_of_vocabulary() -> None:
    letters = Vocabulary(BYTES)
    assert letters.readable
    text = "é 🙂"
    assert b"".join(letters.raw(i) for i in BYTES.encode(text).ids) == text.encode()
    pieces = Tokenizer(models.BPE({"▁a": 0, "<0xC3>": 1, "<s>": 2}, []))
    pieces.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    pieces.add_special_tokens(["<s>"])
    assert Vocabulary(pieces).spelled == [b" a", b"\xc3", b""]
    assert Vocabulary(pieces).raw(2) == b"<s>"
    assert not Vocabulary(Tokenizer(models.BPE({"a": 0}, []))).readable
