"""How well real questions are answered, against the figures once measured."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import fmean

import pytest
from bench.harness.sections import read_set
from workshop import ANA, opened

from inhouse.core.documents import write_documents
from inhouse.core.stage import Context
from inhouse.evaluate.retrieval import hit, reciprocal_rank
from inhouse.knowledge.index import STAGE, Index
from inhouse.knowledge.search import KnowledgeBase


@pytest.fixture(scope="module")
def handbook() -> Path:
    if "INHOUSE_DATA" not in os.environ:
        pytest.skip("INHOUSE_DATA does not name the folder of real data")
    return Path(os.environ["INHOUSE_DATA"], "handbook-18f")


@pytest.mark.data
@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_questions_find_their_sections(handbook: Path, minilm_folder: Path, tmp_path: Path) -> None:
    from inhouse.models.load import load_embedder

    asked = read_set(handbook)
    write_documents(tmp_path, asked.documents)
    inputs = {
        "data/handbook": opened(tmp_path, "data/handbook"),
        "embedder": opened(minilm_folder, "models/minilm"),
    }
    (tmp_path / "desk").mkdir()
    STAGE.run(Index(), inputs, Context(tmp_path / "desk", ANA))
    base = KnowledgeBase(tmp_path / "desk", load_embedder(minilm_folder))
    ranked = [
        [asked.id_of(found.section) for found in base.search(q.text, readable=base.sources, top=10)]
        for q in asked.questions
    ]
    base.close()
    pairs = list(zip(ranked, (q.relevant for q in asked.questions), strict=True))
    assert fmean(hit(ids, relevant, 5) for ids, relevant in pairs) >= 0.75
    assert fmean(reciprocal_rank(ids, relevant, 10) for ids, relevant in pairs) >= 0.555
