"""How well real questions are answered, against the figures once measured."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from workshop import ANA, opened

from inhouse.core.documents import write_documents
from inhouse.core.nouns import Document
from inhouse.core.stage import Context
from inhouse.data.text import plain
from inhouse.knowledge.index import STAGE, Index
from inhouse.knowledge.search import KnowledgeBase


@pytest.fixture(scope="module")
def handbook() -> Path:
    if "INHOUSE_DATA" not in os.environ:
        pytest.skip("INHOUSE_DATA does not name the folder of real data")
    return Path(os.environ["INHOUSE_DATA"], "handbook-18f")


def rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.data
@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_questions_find_their_sections(handbook: Path, minilm_folder: Path, tmp_path: Path) -> None:
    from inhouse.models.load import load_embedder

    # Every section of the test set is a document whose title is its path of headings.
    write_documents(
        tmp_path,
        (
            Document(row["id"], row["heading"], plain(row["text"]), "")
            for row in rows(handbook / "sections.jsonl")
        ),
    )
    inputs = {
        "data/handbook": opened(tmp_path, "data/handbook"),
        "embedder": opened(minilm_folder, "models/minilm"),
    }
    (tmp_path / "desk").mkdir()
    STAGE.run(Index(), inputs, Context(tmp_path / "desk", ANA))
    base = KnowledgeBase(tmp_path / "desk", load_embedder(minilm_folder))

    questions = rows(handbook / "queries.jsonl")
    ranks = []
    for question in questions:
        found = base.search(question["query"], readable=base.sources, top=10)
        places = (n for n, h in enumerate(found, 1) if h.section.document in question["relevant"])
        ranks.append(next(places, None))
    base.close()
    hit_at_5 = sum(rank is not None and rank <= 5 for rank in ranks) / len(ranks)
    reciprocal = sum(1 / rank for rank in ranks if rank) / len(ranks)
    assert hit_at_5 >= 0.64
    assert reciprocal >= 0.465
