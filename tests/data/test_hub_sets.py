"""Data sets of the hub, against a small server that speaks like it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub import hub, use_hub

from inhouse.catalog.rows import read_rows
from inhouse.core.access import Actor
from inhouse.core.errors import BadInput, ProviderError, UserError
from inhouse.core.stage import Context
from inhouse.data.hub import STAGE, Hub
from inhouse.data.hub_files import HubSet, card_of, choose

COMMIT = "d" * 40
URL = f"hf://datasets/org/intents@{COMMIT}"
CARD = b"---\nlicense: cc-by-4.0\n---\n# Intents\n"


def parquet(texts: list[str]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": texts, "label": ["a"] * len(texts)}), out)
    return out.getvalue()


FILES = {
    "README.md": CARD,
    "data/train-00000-of-00002.parquet": parquet(["One", "Two"]),
    "data/train-00001-of-00002.parquet": parquet(["Three"]),
    "data/test-00000-of-00001.parquet": parquet(["Four"]),
    "intents.py": b"raise SystemExit",
    "dataset_infos.json": b"{}",
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Start the hub, and return the paths that it was asked for."""
    with hub(monkeypatch, "datasets/org/intents", COMMIT, FILES) as paths:
        yield paths


def work(folder: Path) -> Context:
    folder.mkdir()
    return Context(folder, Actor("ana"))


def test_one_split_is_fetched_with_its_licence(asked: list[str], tmp_path: Path) -> None:
    ctx = work(tmp_path / "work")
    summary = STAGE.run(Hub(f"{URL}/train"), {}, ctx).summary
    assert [row["text"] for row in read_rows(ctx.work)] == ["One", "Two", "Three"]
    assert summary["licence"] == "cc-by-4.0"
    assert summary["read as"] == "examples: text, label"
    assert (summary["examples"], summary["skipped"]) == (3, 0)
    assert not [path for path in asked if "test-0" in path or path.endswith((".py", "infos.json"))]
    assert {path.name for path in ctx.work.iterdir()} == {"rows.parquet", "ledger.jsonl"}
    (first, *_) = read_rows(ctx.work)
    assert first["source"] == "data/train-00000-of-00002.parquet:1"


def test_several_splits_must_be_chosen_from(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"several data sets\. Write one .*: /test, /train\."):
        STAGE.run(Hub(URL), {}, work(tmp_path / "work"))
    with pytest.raises(BadInput, match="has no 'dev'"):
        STAGE.run(Hub(f"{URL}/dev"), {}, work(tmp_path / "other"))


def test_a_bad_row_stops_a_strict_run(asked: list[str], tmp_path: Path) -> None:
    spec = Hub(f"{URL}/test", schema=(("text", "text"), ("label", "label")))
    assert STAGE.run(spec, {}, work(tmp_path / "work")).summary["examples"] == 1
    chats = Hub(f"{URL}/test", "chats", (("prompt", "text"), ("response", "label")), strict=True)
    assert STAGE.run(chats, {}, work(tmp_path / "chats")).summary["chats"] == 1
    FILES["data/bad.jsonl"] = b'{"text": "a", "label": "b"}\noops\n'
    try:
        with pytest.raises(UserError, match=r"data/bad\.jsonl:2: It is not JSON"):
            STAGE.run(Hub(f"{URL}/train", strict=True), {}, work(tmp_path / "bad"))
    finally:
        del FILES["data/bad.jsonl"]


def test_what_moves_is_refused_with_the_commit_of_today(asked: list[str]) -> None:
    with pytest.raises(BadInput, match=rf"Write hf://datasets/org/intents@{COMMIT}/train, its"):
        Hub("hf://datasets/org/intents@main/train")
    with pytest.raises(BadInput, match="is no data set of the hub"):
        Hub("hf://datasets/intents")


def test_an_unreachable_hub_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    use_hub(monkeypatch, unused_tcp_port)
    monkeypatch.delattr(time, "sleep")  # nobody waits for it to come back
    with pytest.raises(BadInput, match="@COMMIT"):
        Hub("hf://datasets/org/intents")
    with pytest.raises(ProviderError, match="did not deliver hf://datasets/org/intents"):
        STAGE.run(Hub(URL), {}, work(tmp_path / "work"))


PATHS = [
    "de/train.jsonl",
    "de/test.jsonl",
    "en/train-0.parquet",
    "en/train-1.parquet",
    ".hidden/train.csv",
    "load.py",
]


@pytest.mark.parametrize(
    ("parts", "chosen"),
    [
        (("de", "test"), ["de/test.jsonl"]),
        (("en",), ["en/train-0.parquet", "en/train-1.parquet"]),
        (("en", "train"), ["en/train-0.parquet", "en/train-1.parquet"]),
        (("test",), ["de/test.jsonl"]),
    ],
)
def test_names_of_files_say_what_they_are(parts: tuple[str, ...], chosen: list[str]) -> None:
    assert choose(PATHS, {}, HubSet("org/x", COMMIT, parts)) == chosen


def test_a_card_counts_more_than_names() -> None:
    card = card_of(
        "---\nconfigs:\n- config_name: all\n  data_files:\n"
        "  - {split: train, path: ['a/*.csv', b.csv]}\n  - {split: test, path: c.csv}\n---\n"
    )
    paths = ["a/1.csv", "a/2.csv", "b.csv", "c.csv", "d.csv"]
    assert choose(paths, card, HubSet("org/x", COMMIT, ("all", "train"))) == paths[:3]
    assert choose(paths, card, HubSet("org/x", COMMIT, ("test",))) == ["c.csv"]
    assert card_of("---\na: [\n---\n") == {}


def test_code_is_never_run() -> None:
    with pytest.raises(BadInput, match=r"no file of rows.*Its own code is never run"):
        choose(["load.py"], {}, HubSet("org/x", COMMIT))
