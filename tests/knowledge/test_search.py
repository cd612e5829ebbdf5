from __future__ import annotations

import math
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workshop import ANA, STORES, CountingEmbedder, Store, base, index, source

from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, Refused
from inhouse.core.label import Label
from inhouse.core.nouns import Hit
from inhouse.knowledge.bm25 import Postings
from inhouse.knowledge.layout import Layout
from inhouse.knowledge.schema import IndexFile
from inhouse.knowledge.search import QUERY_LETTERS, GuardedSearch, KnowledgeBase

HANDBOOK = {
    "travel.md": "# Travel\n\nBook early.\n\n## Flights\n\nFly economy below six hours.\n",
    "leave.md": "# Leave\n\nThirty days a year. Ask your lead.\n",
}
MEMOS = {"deal.md": "# Deal\n\nThe zebra deal closes in May. Do not tell.\n"}


@pytest.fixture(params=STORES)
def desk(tmp_path: Path, request: pytest.FixtureRequest):
    found = base(
        tmp_path / "desk",
        [
            source(tmp_path / "memos", "data/memos", MEMOS),
            source(tmp_path / "handbook", "data/handbook", HANDBOOK),
        ],
        request.param,
    )
    yield found
    found.close()


def test_the_best_section_comes_first_with_its_passage(desk: KnowledgeBase) -> None:
    first, *rest = desk.search("economy flights", readable=desk.sources, top=3)
    assert first.section.id == "data/handbook:travel.md#flights"
    assert first.section.headings == ("travel.md", "Travel", "Flights")
    assert str(first.section.source) == "data/handbook@abcd1234"
    assert first.passage == "Fly economy below six hours."
    scores = [first.score, *(hit.score for hit in rest)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_inflected_words_match(desk: KnowledgeBase) -> None:
    assert desk.search("booking", readable=desk.sources, top=1)[0].passage == "Book early."


def test_passages_stand_word_for_word_in_their_section(tmp_path: Path) -> None:
    lines = ["Nothing here is about them."] * 50
    lines[37] = "Zebras sleep in the yard."
    texts = {"long.md": "# Long\n\n" + "\n".join(lines)}
    found = base(tmp_path / "desk", [source(tmp_path / "in", "data/long", texts)])
    (hit,) = found.search("zebras in the yard", readable={"data/long"}, top=5)
    assert lines[37] in hit.passage
    assert hit.passage in hit.section.text
    assert len(hit.passage.split()) <= 20
    found.close()


@pytest.mark.parametrize("query", ["", "   ", "qwxyz", "?!", "\ud800", '" OR NEAR(', "a " * 5000])
def test_any_query_gives_finite_scores(desk: KnowledgeBase, query: str) -> None:
    found = desk.search(query, readable=desk.sources, top=10)
    assert len(found) == 4
    assert all(math.isfinite(hit.score) for hit in found)


def test_the_best_stay_the_best_when_more_are_asked_for(tmp_path: Path) -> None:
    texts = {
        f"{n:02}.md": f"# Memo {n}\n\n{'zebra ' * (n % 7)}{'deal ' * (n + 1)}" for n in range(60)
    }
    found = base(tmp_path / "desk", [source(tmp_path / "in", "data/memos", texts)])
    few = found.search("zebra deal", readable=found.sources, top=5)
    assert found.search("zebra deal", readable=found.sources, top=30)[:5] == few
    assert len(found.search("zebra deal", readable=found.sources, top=60)) == 60
    found.close()


def test_the_own_heading_is_met_and_those_above_are_not(tmp_path: Path) -> None:
    texts = {
        "a.md": "# Parking\n\n## Bicycles\n\nBehind the house.\n",
        "b.md": "# Bicycles\n\n## Parking\n\nBehind the house.\n",
    }
    found = base(tmp_path / "desk", [source(tmp_path / "in", "data/handbook", texts)])
    first, second = found.search("bicycles", readable=found.sources, top=2)
    assert (first.section.document, second.section.document) == ("a.md", "b.md")
    assert first.score > second.score + 0.1
    found.close()


def test_sections_around_a_section_speak_for_it(tmp_path: Path) -> None:
    texts = {
        "alone.md": "# One\n\nLunch.\n\n# Two\n\nFly economy.\n\n# Three\n\nParking.\n",
        "among.md": "# One\n\nFlights.\n\n# Two\n\nFly economy.\n\n# Three\n\nFly early.\n",
    }
    found = base(tmp_path / "desk", [source(tmp_path / "in", "data/handbook", texts)])
    hits = found.search("fly economy", readable=found.sources, top=2)
    assert [(h.section.document, h.passage) for h in hits] == [
        ("among.md", "Fly economy."),
        ("alone.md", "Fly economy."),
    ]
    found.close()


def test_nothing_readable_gives_nothing(desk: KnowledgeBase) -> None:
    assert desk.search("zebra", readable=(), top=5) == []
    assert desk.search("zebra", readable={"data/unknown"}, top=5) == []


@pytest.mark.parametrize("store", STORES)
def test_an_index_of_nothing_can_be_searched(tmp_path: Path, store: Store) -> None:
    found = base(tmp_path / "desk", [source(tmp_path / "in", "data/none", {})], store)
    assert found.sources == ["data/none"]
    assert found.search("zebra", readable=found.sources, top=5) == []
    found.close()


def test_another_embedder_is_refused(tmp_path: Path) -> None:
    index(tmp_path / "desk", [source(tmp_path / "in", "data/memos", MEMOS)], CountingEmbedder())
    with pytest.raises(BadInput, match="vectors of 256 numbers"):
        KnowledgeBase(tmp_path / "desk", CountingEmbedder(16))


def test_many_threads_get_the_same(desk: KnowledgeBase) -> None:
    queries = ["economy flights", "zebra", "days of leave", "book"] * 25

    def ask(query: str) -> list[Hit]:
        return desk.search(query, readable=desk.sources, top=3)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, queries)) == [ask(query) for query in queries]


def decide(actor: Actor, path: str) -> Decision:
    label = Label.parse("sell-side" if path == "data/memos" else "open")
    missing = label.missing(actor.groups)
    return Decision(not missing.clauses, actor.name, "read", Ref.parse(path), label, missing)


def test_a_guarded_search_shows_what_may_be_read(desk: KnowledgeBase) -> None:
    guarded = GuardedSearch(desk, decide)
    assert {h.section.source.path for h in guarded.search("zebra", ANA, top=9).hits} == {
        "data/handbook"
    }
    cy = Actor("cy", frozenset({"sell-side"}))
    assert guarded.search("zebra", cy, top=1).hits[0].section.document == "deal.md"


def test_of_a_long_question_only_the_beginning_is_looked_for(desk: KnowledgeBase) -> None:
    guarded = GuardedSearch(desk, decide)
    short = ("leave travel " * 200)[:QUERY_LETTERS]
    assert guarded.search(f" {short}zebra", ANA, top=9) == guarded.search(short, ANA, top=9)


def test_a_guarded_search_refuses_who_may_read_nothing(tmp_path: Path) -> None:
    desk = base(tmp_path / "desk", [source(tmp_path / "in", "data/memos", MEMOS)])
    with pytest.raises(Refused, match="ana may not read data/memos: it carries sell-side"):
        GuardedSearch(desk, decide).search("zebra", ANA, top=5)
    desk.close()


WORDS = st.sampled_from(["zebra", "deal", "travel", "fly", "leave", "days", "the", "of", "漢"])
TEXT = st.lists(WORDS, min_size=1, max_size=60).map(" ".join)
MARKDOWN = st.lists(TEXT, min_size=1, max_size=4).map("\n\n# Part\n\n".join)
SOURCE = st.dictionaries(st.sampled_from(["a.md", "b.md", "c/d.md"]), MARKDOWN, max_size=3)
COMPANY = st.dictionaries(st.sampled_from(["data/a", "data/b", "data/c"]), SOURCE, min_size=1)


@pytest.mark.parametrize("store", STORES)
@settings(deadline=None, max_examples=80)
@given(
    company=COMPANY,
    readable=st.sets(st.sampled_from(["data/a", "data/b", "data/c"])),
    query=TEXT | st.just(""),
    top=st.sampled_from([1, 20]),
)
def test_what_may_not_be_read_has_no_influence(
    store: Store, company: dict[str, dict[str, str]], readable: set[str], query: str, top: int
) -> None:
    # Fewer candidates than sections, so that the choice of them is tried as well.
    with (
        tempfile.TemporaryDirectory() as name,
        patch("inhouse.knowledge.search.NEAREST", 2),
        patch("inhouse.knowledge.search.CANDIDATES", 3),
    ):
        folder = Path(name)
        inputs = [
            source(folder / path, path, dict(sorted(texts.items())))
            for path, texts in company.items()
        ]
        whole = base(folder / "whole", inputs, store)
        mine = base(folder / "mine", [i for i in inputs if i.artifact.ref.path in readable], store)
        # The sections found, their scores, and the signs that support is made of.
        assert whole.look(query, readable=readable, top=top) == mine.look(
            query, readable=readable, top=top
        )
        whole.close()
        mine.close()


def test_words_of_closed_sources_are_not_even_read(tmp_path: Path) -> None:
    memos = {f"{n}.md": f"# Deal {n}\n\nThe zebra deal closes.\n" for n in range(3)}
    given = [
        source(tmp_path / "memos", "data/memos", memos),
        source(tmp_path / "handbook", "data/handbook", HANDBOOK),
    ]
    index(tmp_path / "desk", given, CountingEmbedder())

    class Watched(IndexFile):
        def rows(self, query: str, *values: object):
            asked.append((query, values))
            return super().rows(query, *values)

    asked: list[tuple[str, tuple[object, ...]]] = []
    file = Watched(tmp_path / "desk")
    handbook, _ = Layout(file).sources.values()
    scores, rarities = Postings(file).scores([handbook], ["zebra", "flight"])
    assert (scores > 0).sum() == 1
    assert rarities.keys() == {"zebra", "flight"}
    query, values = asked[-1]
    plan = [row[3] for row in file.rows(f"EXPLAIN QUERY PLAN {query}", *values)]
    assert plan == ["SEARCH terms USING PRIMARY KEY (term=? AND source=?)"]
    file.close()
