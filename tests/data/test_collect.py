from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inhouse.catalog.rows import FILE, read_documents
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref, identity
from inhouse.core.errors import BadInput, UserError
from inhouse.core.label import Label
from inhouse.core.stage import Context, Stage
from inhouse.data import collect, parse
from inhouse.data.collect import LEDGER, STAGE, Collect
from inhouse.data.files import survey


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.md").write_text("# Travel\n\nGo. \u2028 On.\n", encoding="utf-8")
    (folder / "b.html").write_text("<h1>Leave</h1><p>Stay.", encoding="utf-8")
    (folder / "c.txt").write_bytes(b"\xff\xfa")
    (folder / "d.png").write_bytes(b"\x89PNG")
    (folder / "e.md").write_text("")
    return folder


def scan(patterns: list[str], root: Path) -> Collect:
    found = survey(patterns, root)
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in found.files}
    spec = Collect.of(digests, found.left_out, root, salt="")
    return replace(spec, modified={p: (root / p).stat().st_mtime for p, _ in spec.files})


def work(tmp_path: Path) -> Context:
    folder = tmp_path / "work"
    folder.mkdir(parents=True, exist_ok=True)
    return Context(folder, Actor("ana"))


def ledger(ctx: Context) -> dict[str, str]:
    lines = (ctx.work / LEDGER).read_text(encoding="utf-8").splitlines()
    return {entry["path"]: entry["reason"] for entry in map(json.loads, lines)}


def test_files_become_documents_or_lines_of_the_ledger(root: Path, tmp_path: Path) -> None:
    ctx = work(tmp_path)
    result = STAGE.run(scan(["."], root), {}, ctx)
    documents = list(read_documents(ctx.work))
    assert [(d.path, d.title) for d in documents] == [("a.md", "Travel"), ("b.html", "Leave")]
    assert documents[0].text == "# Travel\n\nGo. \u2028 On.\n"
    assert {path: reason.split(".")[0] for path, reason in ledger(ctx).items()} == {
        "c.txt": "It is not utf-8 text: byte 0 does not fit",
        "d.png": "Files of type '",
        "e.md": "It has no text",
    }
    assert result.summary == {"documents": 2, "skipped": 3, "characters": 35}


def test_a_spec_is_the_files_and_not_where_they_lie(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    root.rename(elsewhere)
    moved = scan(["**/*.md"], elsewhere)
    elsewhere.rename(root)
    assert identity(moved) == identity(scan(["*.md"], root))
    assert [path for path, _ in moved.files] == ["a.md", "e.md"]


def test_the_same_files_give_the_same_bytes(root: Path, tmp_path: Path) -> None:
    ctx = work(tmp_path)
    written = []
    for _ in range(2):
        STAGE.run(scan(["."], root), {}, ctx)
        written.append({path.name: path.read_bytes() for path in ctx.work.iterdir()})
    assert written[0] == written[1]


def test_a_document_is_as_old_as_its_file_and_makes_nothing_new_by_that(
    root: Path, tmp_path: Path
) -> None:
    (root / "f.jsonl").write_text('{"heading": "F", "text": "A record."}\n', encoding="utf-8")
    for name in ("a.md", "f.jsonl"):
        os.utime(root / name, (1_700_000_000, 1_700_000_000))
    spec, ctx = scan(["a.md", "f.jsonl"], root), work(tmp_path)
    STAGE.run(spec, {}, ctx)
    assert [d.modified for d in read_documents(ctx.work)] == [1_700_000_000] * 2
    assert identity(replace(spec, modified={})) == identity(spec)


@pytest.mark.parametrize("change", [lambda f: f.write_text("new"), lambda f: f.unlink()])
def test_a_file_that_changes_meanwhile_stops_the_run(root: Path, tmp_path: Path, change) -> None:
    spec = scan(["*.md"], root)
    change(root / "a.md")
    with pytest.raises(UserError, match=r"a\.md changed while it was read\. Run it again\."):
        STAGE.run(spec, {}, work(tmp_path))


def test_a_file_that_is_too_large_is_left_out(root: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(collect, "LARGEST", 10)
    ctx = work(tmp_path)
    assert STAGE.run(scan(["a.md"], root), {}, ctx).summary["documents"] == 0
    assert "more than the 1 MiB" in ledger(ctx)["a.md"]


def test_a_link_that_leads_elsewhere_stands_in_the_ledger(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.md"
    elsewhere.write_text("# Secret\n\nText.\n", encoding="utf-8")
    before = scan(["*.md"], root)
    (root / "link.md").symlink_to(elsewhere)
    (root / "inner.md").symlink_to(root / "a.md")
    spec, ctx = scan(["*.md"], root), work(tmp_path)
    assert set(spec.files) - set(before.files) == {("inner.md", before.files[0][1])}
    assert STAGE.run(spec, {}, ctx).summary["documents"] == 2
    assert "leads elsewhere" in ledger(ctx)["link.md"]


def test_scanning_nothing_is_an_error(root: Path) -> None:
    with pytest.raises(BadInput, match="Nothing matches"):
        scan(["*.pdf"], root)


def test_what_is_the_same_as_before_is_not_read_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "f.jsonl").write_text('{"heading": "F", "text": "A record."}\n', encoding="utf-8")
    first = work(tmp_path / "first")
    STAGE.run(scan(["."], root), {}, first)
    (root / "a.md").write_text("# Travel\n\nStay.\n", encoding="utf-8")
    (root / "moved.html").write_bytes((root / "b.html").read_bytes())
    (root / "e.md").unlink()
    (root / "b.html").touch()
    spec = scan(["."], root)
    fresh, again = work(tmp_path / "fresh"), work(tmp_path / "again")
    result = STAGE.run(spec, {}, fresh)

    parsed: list[str] = []
    whole = parse.documents

    def noting(path: str, *rest: object):
        parsed.append(path)
        return whole(path, *rest)

    monkeypatch.setattr(parse, "documents", noting)
    before = Input(_made(STAGE), first.work)
    assert STAGE.run(spec, {}, replace(again, previous=before)) == result
    assert parsed == ["a.md", "c.txt", "d.png", "f.jsonl", "moved.html"]
    for name in (FILE, LEDGER):
        assert (again.work / name).read_bytes() == (fresh.work / name).read_bytes()
    parsed.clear()
    older = Input(_made(replace(STAGE, code=STAGE.code - 1)), first.work)
    STAGE.run(spec, {}, replace(again, previous=older))
    assert "b.html" in parsed


def _made(stage: Stage) -> Artifact:
    return Artifact(
        ref=Ref("data", "docs"), recipe=stage.recipe, code=stage.code, params={}, parents=(),
        digest="", files={}, label=Label.OPEN, created=datetime.now(UTC), actor="ana",
        seconds=0.0, summary={},
    )  # fmt: skip


KILLED = """
import sys
from pathlib import Path
from test_collect import STAGE, Actor, Context, scan

def said(done, total, what):
    print(done, flush=True)
    if done == 30:
        sys.stdin.read()  # until it is killed

root, work = map(Path, sys.argv[1:])
STAGE.run(scan(["."], root), {}, Context(work, Actor("ana"), progress=said))
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_killed_it_begins_again_and_gives_the_same_bytes(tmp_path: Path) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for n in range(60):
        (root / f"{n:02}.md").write_text(f"# Page {n}\n\nWords of page {n}.\n", encoding="utf-8")
    cut, whole = work(tmp_path / "cut"), work(tmp_path / "whole")
    command = [sys.executable, "-c", KILLED, str(root), str(cut.work)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    ) as process:
        assert process.stdout
        assert any(line == "30\n" for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    assert not (cut.work / FILE).exists()
    for ctx in (cut, whole):
        STAGE.run(scan(["."], root), {}, ctx)
    made = [{p.name: p.read_bytes() for p in ctx.work.iterdir()} for ctx in (cut, whole)]
    assert made[0] == made[1]
