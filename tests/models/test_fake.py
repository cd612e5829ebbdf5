"""Models without weights."""

from __future__ import annotations

import numpy as np
import pytest

from inhouse.core.errors import BadInput, TooLong
from inhouse.core.nouns import Message
from inhouse.core.protocols import Embedder, LanguageModel, Piece, Sampling, Usage
from inhouse.models.fake import EchoModel, HashEmbedder


async def answer(model: LanguageModel, text: str, **settings: object) -> tuple[str, Piece]:
    sampling = Sampling(**settings)  # type: ignore[arg-type]
    found = [p async for p in model.chat([Message("user", text)], sampling)]
    return "".join(p.text for p in found), found[-1]


async def test_echo_says_it_back() -> None:
    model: LanguageModel = EchoModel()
    text, last = await answer(model, "one two\n three ")
    assert text == "one two\n three"
    assert (last.finish, last.usage) == ("stop", Usage(3, 3))


async def test_echo_keeps_its_limits() -> None:
    assert await answer(EchoModel(), "a b c", max_tokens=2) == (
        "a b",
        Piece("", "length", Usage(3, 2)),
    )
    assert (await answer(EchoModel(), "a b c", stop=("b",)))[0] == "a "
    assert (await answer(EchoModel(context_tokens=5), "a b c"))[0] == "a b"
    with pytest.raises(TooLong, match="3 tokens, 1 more than the 2"):
        await answer(EchoModel(context_tokens=3), "a b c")


@pytest.mark.parametrize(
    "bad", [{"max_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"stop": ("",)}, {"seed": -1}]
)
async def test_settings_out_of_range_are_named(bad: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=next(iter(bad))):
        await answer(EchoModel(), "a", **bad)


def test_hashing_puts_like_texts_near_each_other() -> None:
    model: Embedder = HashEmbedder()
    a, b, c, empty = model.embed(["rotate the key", "the key, rotated: rotate it", "weather", ""])
    assert a @ b > 0.5 > a @ c
    assert np.linalg.norm(empty) == pytest.approx(1)
    assert model.embed([]).shape == (0, model.width)


def test_hashing_gives_each_word_a_vector_from_its_start_on() -> None:
    model: Embedder = HashEmbedder()
    texts = ["Keys > Rotate the key", "?!"]
    vectors, (tokens, none) = model.embed_tokens(texts, starts=[7, 0])
    np.testing.assert_array_equal(vectors, model.embed(texts))
    np.testing.assert_array_equal(tokens, model.embed(["rotate", "the", "key"]))
    assert none.shape == (0, model.width)
    assert model.pieces("Rotate: the key!") == ["Rotate", "the", "key"]
