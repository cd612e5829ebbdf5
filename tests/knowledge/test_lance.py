from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest
from workshop import NEEDS_LANCE, CountingEmbedder, base, index, source

from inhouse.catalog import Catalog
from inhouse.core.artifact import Ref
from inhouse.core.errors import MissingExtra
from inhouse.core.stage import Context, Recipe, Stage
from inhouse.knowledge.index import Index, build
from inhouse.knowledge.lance import FOLDER, LanceTables
from inhouse.knowledge.layout import Layout
from inhouse.knowledge.schema import FILE, IndexFile
from inhouse.knowledge.search import NEAREST, KnowledgeBase
from inhouse.knowledge.vectors import Matrix, highest

MEMOS = {f"{n:03}.md": f"# Memo {n}\n\nAbout matter {n} and {n * n}.\n" for n in range(600)}


class Scattered(CountingEmbedder):
    """Gives each text a direction of its own, so that no two are equally near."""

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        rows = [np.random.default_rng(list(text.encode())).normal(size=32) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


@NEEDS_LANCE
def test_the_graph_of_a_large_source_finds_nearly_all(tmp_path: Path) -> None:
    texts = {f"{n:04}.md": f"# Memo {n}\n\nAbout matter {n}.\n" for n in range(2000)}
    given = [source(tmp_path / "in", "data/memos", texts)]
    with patch("inhouse.knowledge.lance.EXACT_UP_TO", 500):
        index(tmp_path / "desk", given, Scattered(32), store="lance")
    assert list((tmp_path / "desk" / FOLDER).glob("*/_indices/*"))
    file = IndexFile(tmp_path / "desk")
    (memos,) = (layout := Layout(file)).filled()
    exact, tables = Matrix(file), LanceTables(tmp_path / "desk", file, layout)
    shares = []
    for question in Scattered(32).embed([f"matter {n}" for n in range(50)]):
        wanted, cosines = exact.nearest(memos, question, NEAREST)
        numbers, rough = tables.nearest(memos, question, NEAREST)
        assert len(numbers) == NEAREST
        assert np.abs(rough - exact.vectors(numbers) @ question).max() < 0.05
        assert np.isin(wanted[highest(cosines, 10)], numbers).all(), "the best are never missed"
        shares.append(np.isin(wanted, numbers).mean())
    assert np.mean(shares) > 0.97
    some = np.array([7, 3, 599, 3])
    assert np.array_equal(exact.vectors(some), tables.vectors(some))
    file.close()


@NEEDS_LANCE
def test_both_stores_find_the_same_and_share_the_index_file(tmp_path: Path) -> None:
    given = [source(tmp_path / "in", "data/memos", MEMOS)]
    one, two = base(tmp_path / "one", given), base(tmp_path / "two", given, "lance")
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()
    for question in ("matter 17", "memo 361 about 324", "nothing of the kind"):
        assert one.search(question, readable=one.sources, top=20) == two.search(
            question, readable=two.sources, top=20
        )
    one.close()
    two.close()


@NEEDS_LANCE
def test_a_half_written_table_is_written_anew(tmp_path: Path) -> None:
    given = [source(tmp_path / "in", "data/memos", {"a.md": "Zebra."})]
    half = tmp_path / "desk" / FOLDER / "source-0.lance" / "data"
    half.mkdir(parents=True)
    (half / "torn.lance").write_bytes(b"LANC")
    found = base(tmp_path / "desk", given, "lance")
    assert not (half / "torn.lance").exists()
    assert len(found.search("zebra", readable=found.sources, top=5)) == 1
    found.close()


@NEEDS_LANCE
def test_it_is_searched_where_the_catalog_shows_it(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "store")
    given = [source(tmp_path / "in", "data/memos", MEMOS)]

    def run(spec: Index, inputs: object, ctx: Context) -> object:
        return build(spec, given, ctx, CountingEmbedder(), identity="hash")

    recipe = Recipe(Ref.parse("knowledge/desk"), Stage("test", 1, run), Index(store="lance"))
    with patch("inhouse.knowledge.lance.EXACT_UP_TO", 500):
        ref = catalog.make(recipe, by="ana").artifact.ref
    folder = catalog.load(ref).folder
    before = sorted(folder.rglob("*"))
    found = KnowledgeBase(folder, CountingEmbedder())
    assert len(found.search("matter 17", readable=found.sources, top=5)) == 5
    found.close()
    assert sorted(folder.rglob("*")) == before
    assert catalog.load(ref).folder == folder
    catalog.close()


def test_without_the_extra_nothing_is_embedded(tmp_path: Path) -> None:
    given = [source(tmp_path / "in", "data/memos", {"a.md": "Zebra."})]
    embedder = CountingEmbedder()
    wanted = pytest.raises(MissingExtra, match=r"store: lance.*pip install 'inhouse\[lance\]'")
    with patch("inhouse.knowledge.lance.find_spec", return_value=None), wanted:
        index(tmp_path / "desk", given, embedder, store="lance")
    assert not embedder.texts
    (tmp_path / "there" / FOLDER).mkdir(parents=True)
    index(tmp_path / "there", given, embedder)
    with patch("inhouse.knowledge.lance.find_spec", return_value=None), wanted:
        KnowledgeBase(tmp_path / "there", embedder)
