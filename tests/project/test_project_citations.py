"""Every citation leads to a section of a pinned data set, and its quote stands there."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from small_project import opened, small_project

from inhouse.catalog import Catalog
from inhouse.catalog.rows import read_documents
from inhouse.core.artifact import Ref
from inhouse.core.nouns import Endpoint
from inhouse.core.protocols import LanguageModel, Sampling
from inhouse.knowledge.sections import split
from inhouse.models.fake import EchoModel
from inhouse.project.asking import Answered, ask
from inhouse.project.loaders import Loaders
from inhouse.project.project import Project
from inhouse.serve.house import House

ENDPOINT = "{model: {api: 'http://127.0.0.1:9/v1', name: echo}, knowledge: knowledge/handbook"
HANDBOOK = f"""\
project: handbook
data: {{handbook: {{from: FILES}}}}
models: {{minilm: {{from: "file:WEIGHTS"}}}}
knowledge: {{handbook: {{from: data/handbook, embed: models/minilm}}}}
endpoints:
  compose: {ENDPOINT}}}
  extract: {ENDPOINT}, mode: extract}}
  trusted: {ENDPOINT}, check: false}}
  strict: {ENDPOINT}, support: 0.97}}
"""
QUESTIONS = 50


BARS = {"compose": 0.5, "extract": 0.5, "trusted": 0.0, "strict": 0.97}


class Echoing(Loaders):
    """Opens an echo where an API is asked for."""

    def api(self, endpoint: Endpoint) -> LanguageModel:
        return EchoModel()


@pytest.mark.data
@pytest.mark.slow
def test_citations_resolve_and_quote_word_for_word(tmp_path: Path, tiny_weights: Path) -> None:
    if "INHOUSE_DATA" not in os.environ:
        pytest.skip("INHOUSE_DATA does not name the folder of real data")
    folder = Path(os.environ["INHOUSE_DATA"], "handbook-18f")
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        questions = [json.loads(line)["query"] for line in lines][:QUESTIONS]
    text = HANDBOOK.replace("FILES", str(folder / "files"))
    with opened(small_project(tmp_path / "project", tiny_weights, text)) as project:
        project.run()
        answers = asyncio.run(answered(project, questions))
        citations = [citation for answer in answers for citation in answer.citations]
        assert len(answers) == 4 * QUESTIONS
        assert len(citations) >= 4 * QUESTIONS
        bars = [bar for bar in BARS.values() for _ in range(QUESTIONS)]
        assert [answer.refused for answer in answers] == [
            answer.support < bar for answer, bar in zip(answers, bars, strict=True)
        ]
        assert 0 < sum(answer.refused for answer in answers[-QUESTIONS:]) < QUESTIONS
        stand = sections(project.catalog, {citation.source for citation in citations})
        for citation in citations:
            document, anchor, text = stand[citation.source, citation.id]
            assert (citation.document, citation.anchor) == (document, anchor)
            assert citation.quote.strip()
            assert citation.quote in text


async def answered(project: Project, questions: list[str]) -> list[Answered]:
    house = House(project.catalog, Echoing(project.catalog))
    try:
        return [
            await ask(house, endpoint, question, project.actor, sampling=Sampling(), hear=str)
            for endpoint in BARS
            for question in questions
        ]
    finally:
        await house.close()


def sections(catalog: Catalog, sources: set[str]) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Return document, anchor and text of every section, by source and id, from the store."""
    found = {}
    for source in sources:
        opened_source = catalog.load(Ref.parse(source))
        assert source == f"{opened_source.artifact.ref.path}@{opened_source.artifact.ref.version}"
        for document in read_documents(opened_source.folder):
            for section in split(document, opened_source.artifact.ref):
                found[source, section.id] = (section.document, section.anchor, section.text)
    return found
