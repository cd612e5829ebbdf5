from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from workshop import STORES, CountingEmbedder, Store, index, opened, source

from inhouse.core.artifact import Input
from inhouse.core.errors import InhouseError
from inhouse.core.stage import Other
from inhouse.knowledge.index import BATCH, UNFINISHED, WORTH
from inhouse.knowledge.schema import FILE
from inhouse.knowledge.search import KnowledgeBase

TEXTS = {
    "travel.md": "# Travel\n\nBook early.\n\n## Flights\n\nFly economy.\n",
    "leave.md": "# Leave\n\nThirty days a year.\n",
    "empty.md": "# Only a heading\n",
}


def test_a_run_says_what_it_did_and_leaves_one_file(tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    result = index(tmp_path / "one", [source(tmp_path / "in", "data/handbook", TEXTS)], embedder)
    assert result.summary == {
        "documents": 3,
        "sections": 3,
        "passages": 3,
        "embedded": 3,
        "reused": 0,
        "empty_documents": 1,
    }
    files = {p.name for p in (tmp_path / "one").iterdir()}
    assert files - set(result.scratch) == {FILE}
    assert sorted(embedder.texts) == [
        "leave.md > Leave\nThirty days a year.",
        "travel.md > Travel\nBook early.",
        "travel.md > Travel > Flights\nFly economy.",
    ]


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("before", STORES)
def test_an_edit_embeds_one_section_and_a_deletion_is_gone(
    tmp_path: Path, before: Store, store: Store
) -> None:
    given = [source(tmp_path / "in", "data/handbook", TEXTS)]
    index(tmp_path / "one", given, CountingEmbedder(), store=before)
    edited = TEXTS | {"travel.md": TEXTS["travel.md"].replace("economy", "business")}
    del edited["leave.md"]
    embedder = CountingEmbedder()
    result = index(
        tmp_path / "two",
        [source(tmp_path / "in", "data/handbook", edited)],
        embedder,
        previous=tmp_path / "one",
        store=store,
    )
    assert embedder.texts == ["travel.md > Travel > Flights\nFly business."]
    assert (result.summary["embedded"], result.summary["reused"]) == (1, 1)
    base = KnowledgeBase(tmp_path / "two", embedder)
    found = base.search("thirty days", readable={"data/handbook"}, top=10)
    assert {hit.section.document for hit in found} == {"travel.md"}
    base.close()


def test_the_bytes_do_not_depend_on_what_was_reused(tmp_path: Path) -> None:
    given = [source(tmp_path / "in", "data/handbook", TEXTS)]
    other = [source(tmp_path / "other", "data/handbook", {"leave.md": TEXTS["leave.md"]})]
    index(tmp_path / "other-index", other, CountingEmbedder())
    index(tmp_path / "fresh", given, CountingEmbedder())
    index(tmp_path / "reused", given, CountingEmbedder(), previous=tmp_path / "other-index")
    assert (tmp_path / "fresh" / FILE).read_bytes() == (tmp_path / "reused" / FILE).read_bytes()


def test_vectors_of_another_embedder_are_not_taken_over(tmp_path: Path) -> None:
    given = [source(tmp_path / "in", "data/handbook", TEXTS)]
    index(tmp_path / "one", given, CountingEmbedder())
    embedder = CountingEmbedder(16)
    before = tmp_path / "one"
    result = index(tmp_path / "two", given, embedder, previous=before, identity="narrow")
    assert result.summary["embedded"] == 3


def test_vectors_of_other_indexes_are_taken_over(tmp_path: Path) -> None:
    known = [source(tmp_path / "in", "data/hr", {"leave.md": TEXTS["leave.md"]})]
    said = index(tmp_path / "hr", known, CountingEmbedder()).summary
    given = [source(tmp_path / "in", "data/handbook", TEXTS)]
    index(tmp_path / "fresh", given, CountingEmbedder())
    there = Other(said, lambda: opened(tmp_path / "hr", "knowledge/hr"))
    embedder = CountingEmbedder()
    damaged = Other(said, lambda: None)
    result = index(tmp_path / "one", given, embedder, others=[damaged, there])
    assert len(embedder.texts) == result.summary["embedded"] == 2
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "fresh" / FILE).read_bytes()


def test_others_are_opened_only_if_that_costs_less_than_embedding(tmp_path: Path) -> None:
    def unwanted() -> Input:
        raise AssertionError("this one costs more than it can bring")

    texts = TEXTS | {"news.md": "# News\n\nOne.\n"}
    given = [source(tmp_path / "in", "data/handbook", TEXTS)]
    index(
        tmp_path / "one", given, CountingEmbedder(), others=[Other({"passages": 10**6}, unwanted)]
    )
    more = [source(tmp_path / "more", "data/handbook", texts)]
    before, large = tmp_path / "one", Other({"passages": WORTH + 1}, unwanted)
    index(tmp_path / "two", more, CountingEmbedder(), previous=before, others=[large])
    small = Other({"passages": 1}, unwanted)
    index(tmp_path / "three", more, CountingEmbedder(), previous=tmp_path / "two", others=[small])


def test_the_same_text_is_embedded_once(tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    given = [source(tmp_path / name, f"data/{name}", {"a.md": "Same."}) for name in "xy"]
    result = index(tmp_path / "one", given, embedder)
    assert embedder.texts == ["a.md\nSame."]
    assert (result.summary["passages"], result.summary["embedded"]) == (2, 1)


def test_what_embeds_otherwise_takes_nothing_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [source(tmp_path / "in", "data/handbook", TEXTS)]
    index(tmp_path / "one", given, CountingEmbedder())
    monkeypatch.setattr("inhouse.knowledge.index.EMBEDDING", 99)
    result = index(tmp_path / "two", given, CountingEmbedder(), previous=tmp_path / "one")
    assert (result.summary["embedded"], result.summary["reused"]) == (3, 0)


def test_tokens_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    class Broken(CountingEmbedder):
        def embed_tokens(self, texts, *, starts):
            vectors, tokens = super().embed_tokens(texts, starts=starts)
            return vectors, [each * float("inf") for each in tokens]

    with pytest.raises(InhouseError, match="not finite"), np.errstate(invalid="ignore"):
        index(tmp_path / "one", [source(tmp_path / "in", "data/handbook", TEXTS)], Broken())


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    class Broken(CountingEmbedder):
        def embed(self, texts):
            return super().embed(texts) * float("nan")

    with pytest.raises(InhouseError, match="not finite"):
        index(tmp_path / "one", [source(tmp_path / "in", "data/handbook", TEXTS)], Broken())


KILLED = """
import os, signal, sys
from pathlib import Path
from workshop import CountingEmbedder, index, opened

class Fatal(CountingEmbedder):
    def embed(self, texts):
        if len(self.texts) >= int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed(texts)

given = [opened(Path(sys.argv[2]), "data/handbook")]
index(Path(sys.argv[1]), given, Fatal(), store=sys.argv[4])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("store", STORES)
def test_after_kill_9_only_the_rest_is_embedded(tmp_path: Path, store: Store) -> None:
    texts = {f"{n:03}.md": f"Memo number {n}." for n in range(4 * BATCH)}
    given = [source(tmp_path / "in", "data/handbook", texts)]
    work = tmp_path / "work"
    for done in (BATCH, 2 * BATCH):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(work), str(tmp_path / "in"), str(BATCH), store],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL
        with sqlite3.connect(work / UNFINISHED) as vectors:
            assert vectors.execute("SELECT count(*) FROM vectors").fetchone() == (done,)
        vectors.close()

    result = index(work, given, CountingEmbedder(), store=store)
    assert result.summary["embedded"] == 2 * BATCH
    index(tmp_path / "whole", given, CountingEmbedder())
    assert (work / FILE).read_bytes() == (tmp_path / "whole" / FILE).read_bytes()


def test_many_edits_end_in_the_bytes_of_a_run_from_nothing(tmp_path: Path) -> None:
    """Edited, moved, new, gone and renamed documents, and a source that comes before the others."""
    rng = random.Random(5)
    words = ["leave", "travel", "price", "weight", "日本語", "straße", "garden", "weather"]
    texts = {f"{n:02}.md": _text(rng, words) for n in range(20)}
    before = None
    for turn in range(6):
        for name in rng.sample(sorted(texts), 4):
            texts[name] = _text(rng, words)
        texts[f"{rng.randrange(99):02}.md"] = texts.pop(rng.choice(sorted(texts)))
        texts[f"new{turn}.md"] = "# Only a heading\n" if turn % 2 else _text(rng, words)
        names = ["b", "a"][: 1 + turn % 2]
        given = [source(tmp_path / f"in{turn}{n}", f"data/{n}", dict(texts)) for n in names]
        taken, fresh = tmp_path / f"taken{turn}", tmp_path / f"fresh{turn}"
        embedder = CountingEmbedder()
        result = index(taken, given, embedder, previous=before)
        assert index(fresh, given, CountingEmbedder()).summary["embedded"] >= len(embedder.texts)
        assert (taken / FILE).read_bytes() == (fresh / FILE).read_bytes()
        if before:
            assert result.summary["reused"] > result.summary["embedded"]
        before = taken


def _text(rng: random.Random, words: list[str]) -> str:
    parts = (f"## {rng.choice(words)}\n\n{' '.join(rng.choices(words, k=30))}.\n" for _ in range(4))
    return f"# {rng.choice(words)}\n\n{''.join(parts)}"


def test_unchanged_documents_are_not_cut_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inhouse.knowledge import index as indexing

    given = [source(tmp_path / "in", "data/handbook", TEXTS)]
    index(tmp_path / "one", given, CountingEmbedder())
    cut: list[str] = []
    split = indexing.split

    def noting(document, ref):
        cut.append(document.path)
        return split(document, ref)

    monkeypatch.setattr(indexing, "split", noting)
    edited = [source(tmp_path / "in", "data/handbook", TEXTS | {"leave.md": "# Other\n\nText.\n"})]
    index(tmp_path / "two", edited, CountingEmbedder(), previous=tmp_path / "one")
    assert cut == ["leave.md"]
    index(tmp_path / "three", edited, CountingEmbedder(16), previous=tmp_path / "two", identity="x")
    assert cut[1:] == list(TEXTS)
