"""Small real parts for the knowledge tests: an embedder that counts, sources, indexes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest

from inhouse.catalog.rows import write_documents
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label
from inhouse.core.nouns import Document
from inhouse.core.stage import Context, Other, Result
from inhouse.knowledge.index import Index, build
from inhouse.knowledge.search import KnowledgeBase
from inhouse.models.fake import HashEmbedder

Store = Literal["sqlite", "lance"]
NEEDS_LANCE = pytest.mark.skipif(
    find_spec("lancedb") is None, reason="the extra [lance] is not installed"
)
STORES = ["sqlite", pytest.param("lance", marks=NEEDS_LANCE)]

ANA = Actor("ana", frozenset({"buy-side"}))


class CountingEmbedder(HashEmbedder):
    """Remembers what it was asked for."""

    def __init__(self, width: int = 256) -> None:
        super().__init__(width)
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.texts += texts
        return super().embed(texts)


def opened(folder: Path, ref: str, version: str = "abcd1234") -> Input:
    artifact = Artifact(
        ref=Ref.parse(ref).at(version),
        recipe="test",
        code=1,
        params={},
        parents=(),
        digest="",
        files={},
        label=Label.OPEN,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        actor="ana",
        seconds=0.0,
        summary={},
    )
    return Input(artifact, folder)


def source(folder: Path, ref: str, texts: dict[str, str]) -> Input:
    """Write a source of documents: path -> Markdown; a document's title is its path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_documents(folder, (Document(path, path, text, "0" * 64) for path, text in texts.items()))
    return opened(folder, ref)


def index(
    folder: Path,
    sources: Sequence[Input],
    embedder: HashEmbedder,
    *,
    previous: Path | None = None,
    identity: str = "hash",
    store: Store = "sqlite",
    others: Sequence[Other] = (),
) -> Result:
    folder.mkdir(parents=True, exist_ok=True)
    before = opened(previous, "knowledge/desk") if previous else None
    ctx = Context(folder, ANA, previous=before, others=lambda: iter(others))
    with patch("inhouse.knowledge.index.PASSAGE_WORDS", 20):
        return build(Index(store=store), sources, ctx, embedder, identity=identity)


def base(folder: Path, sources: Sequence[Input], store: Store = "sqlite") -> KnowledgeBase:
    embedder = CountingEmbedder()
    index(folder, sources, embedder, store=store)
    return KnowledgeBase(folder, embedder)
