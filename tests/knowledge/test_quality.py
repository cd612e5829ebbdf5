"""How well real questions are answered, against the figures once measured."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import pytest
from bench.harness import sections
from workshop import ANA, NEEDS_LANCE, opened

from inhouse.catalog.rows import write_documents
from inhouse.core.artifact import Input
from inhouse.core.stage import Context
from inhouse.evaluate.ranking import hit, reciprocal_rank
from inhouse.knowledge.index import STAGE, Index
from inhouse.knowledge.search import KnowledgeBase


@dataclass(frozen=True)
class Indexed:
    """A handbook with its questions, what its index was made of, and the index."""

    asked: sections.TestSet
    inputs: dict[str, Input]
    folder: Path


@pytest.fixture(scope="module")
def handbook(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    if "INHOUSE_DATA" not in os.environ:
        pytest.skip("INHOUSE_DATA does not name the folder of real data")
    folder = tmp_path_factory.mktemp("handbook")
    asked = sections.read_set(Path(os.environ["INHOUSE_DATA"], "handbook-18f"))
    write_documents(folder, asked.documents)
    inputs = {
        "data/handbook": opened(folder, "data/handbook"),
        "embedder": opened(minilm_folder, "models/minilm"),
    }
    (folder / "desk").mkdir()
    STAGE.run(Index(), inputs, Context(folder / "desk", ANA))
    return Indexed(asked, inputs, folder / "desk")


@pytest.mark.data
@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_questions_find_their_sections(handbook: Indexed, minilm_folder: Path) -> None:
    judge(handbook.folder, minilm_folder, handbook.asked)


@NEEDS_LANCE
@pytest.mark.data
@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_they_do_by_a_graph_too(handbook: Indexed, minilm_folder: Path, tmp_path: Path) -> None:
    before = opened(handbook.folder, "knowledge/desk")
    with patch("inhouse.knowledge.lance.EXACT_UP_TO", 1000):
        made = STAGE.run(
            Index(store="lance"), handbook.inputs, Context(tmp_path, ANA, previous=before)
        )
    assert made.summary["embedded"] == 0
    judge(tmp_path, minilm_folder, handbook.asked)


def judge(folder: Path, embedder: Path, asked: sections.TestSet) -> None:
    """See that an index ranks no worse than it once did."""
    from inhouse.models.load import load_embedder

    base = KnowledgeBase(folder, load_embedder(embedder))
    ranked = [
        [asked.id_of(found.section) for found in base.search(q.text, readable=base.sources, top=10)]
        for q in asked.questions
    ]
    base.close()
    pairs = list(zip(ranked, (q.relevant for q in asked.questions), strict=True))
    assert fmean(hit(ids, relevant, 5) for ids, relevant in pairs) >= 0.75
    assert fmean(reciprocal_rank(ids, relevant, 10) for ids, relevant in pairs) >= 0.555
