"""The built-in embedder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from inhouse.core.errors import BadInput
from inhouse.models.embedder import LocalEmbedder
from inhouse.models.load import load_embedder
from models.conftest import run_build

TEXTS = [
    "How do I rotate an API key?",
    "To rotate a key, open the console and press Rotate.",
    "The weather in Lisbon is mild in spring.",
    "",
    "x",
    "naïve café 日本語 🙂 [SEP] no",
    "Travel expenses above 500 euros need approval. " * 60,
]

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def embedder(minilm_folder: Path) -> LocalEmbedder:
    return load_embedder(minilm_folder, threads=2)


def test_vectors_have_length_one(embedder: LocalEmbedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.width) == (7, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embedder.embed([]).shape == (0, 384)


def test_meaning_is_near(embedder: LocalEmbedder) -> None:
    question, answer, other = embedder.embed(TEXTS[:3])
    assert question @ answer > 0.5
    assert question @ other < 0.2


def test_tokens_have_vectors_from_their_start_on(embedder: LocalEmbedder) -> None:
    vectors, tokens = embedder.embed_tokens(TEXTS, starts=[0] * len(TEXTS))
    np.testing.assert_allclose(vectors, embedder.embed(TEXTS), atol=1e-5)
    assert [len(t) for t in tokens] == [embedder.tokens([text]) - 2 for text in TEXTS]
    assert all(t.shape[1] == embedder.width and t.dtype == np.float32 for t in tokens)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate(tokens), axis=1), 1, atol=1e-5)
    start = TEXTS[1].index("open")
    _, (part,) = embedder.embed_tokens(TEXTS[1:2], starts=[start])
    np.testing.assert_allclose(part, tokens[1][-len(part) :], atol=2e-3)
    assert len(part) == embedder.tokens([TEXTS[1][start:]]) - 2
    _, (none,) = embedder.embed_tokens(TEXTS[:1], starts=[1000])
    assert none.shape == (0, embedder.width)


def test_a_piece_of_the_text_stands_behind_each_token(embedder: LocalEmbedder) -> None:
    assert embedder.pieces("[SEP] Caf\u00e9s, tokenizers?") == [
        *("[", "SEP", "]", "Caf\u00e9s", ",", "token", "izer", "s", "?")
    ]  # fmt: skip
    _, tokens = embedder.embed_tokens(TEXTS, starts=[0] * len(TEXTS))
    assert [len(embedder.pieces(text)) for text in TEXTS] == [len(each) for each in tokens]


@pytest.mark.train
def test_vectors_are_those_of_sentence_transformers(
    embedder: LocalEmbedder, embedder_weights: Path
) -> None:
    library = pytest.importorskip("sentence_transformers")
    reference = library.SentenceTransformer(str(embedder_weights), device="cpu")
    texts = [t.replace("[SEP]", "SEP") for t in TEXTS]  # which it would take for a token
    wanted = reference.encode(texts, normalize_embeddings=True)
    assert (embedder.embed(texts) * wanted).sum(axis=1).min() > 0.999


def test_company_changes_nothing(embedder: LocalEmbedder) -> None:
    """To the last bit: an index does not depend on which of its passages were reused."""
    texts = TEXTS + [" ".join(TEXTS[4:6] * n) for n in range(40)]
    starts = [0] * len(texts)
    together, tokens = embedder.embed_tokens(texts, starts=starts)
    backwards, _ = embedder.embed_tokens(texts[::-1], starts=starts)
    np.testing.assert_array_equal(backwards[::-1], together)
    for text, vector, own in zip(texts, together, tokens, strict=True):
        (alone,), (of_alone,) = embedder.embed_tokens([text], starts=[0])
        np.testing.assert_array_equal(alone, vector)
        np.testing.assert_array_equal(of_alone, own)


def test_threads_may_share_it(embedder: LocalEmbedder) -> None:
    wanted = embedder.embed(TEXTS[:3])
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: embedder.embed(TEXTS[:3]), range(12)):
            np.testing.assert_array_equal(found, wanted)


def test_another_pooling_is_refused(embedder_weights: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for path in embedder_weights.iterdir():
        if path.is_file():
            (source / path.name).symlink_to(path)
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    with pytest.raises(BadInput, match="not of a mean"):
        run_build(source, tmp_path / "built")
