"""Data sets of all kinds in a project: read, split, written by a model, labelled by a teacher."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_project import edit, opened, quickly, write

from inhouse.catalog.rows import read_rows
from inhouse.core.artifact import Ref
from inhouse.core.errors import ProjectError, UserError
from inhouse.core.label import Label
from inhouse.project.project import Project

FILE = """\
project: sets
groups: {staff: [ana], lab: [ana, bo]}
data:
  gold: {from: ./gold.csv, label: staff}
  chats: {from: ./chats.jsonl}
  pairs: {from: ./pairs.parquet, schema: {prompt: q, chosen: good, rejected: bad}}
  parts: {from: data/gold, steps: [{split: {train: 0.7, test: 0.3}}]}
  seen: {from: data/parts/train}
  more: {expand: data/parts, by: endpoints/scribe, per: class, to: 30, apart: data/exam}
  exam: {from: ./exam.jsonl, kind: examples}
  taught: {teacher-label: data/exam, like: data/gold}
endpoints:
  scribe:
    model: {api: "http://127.0.0.1:PORT/v1", name: scribe, price: {input: 2, output: 8, unit: EUR}}
    label: lab
"""
HEARD = "Where is parcel {n}, which I sent to the {place}?"
ASKED = "Which price do I pay for {n} stamps to the {place}?"
PLACES = ("harbour", "mill", "tower", "station", "school", "bakery", "forest", "museum")


class _Api(BaseHTTPRequestHandler):
    asked: list[dict[str, object]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        lost = "“lost”" in str(body["messages"][-1]["content"])
        form, start = (HEARD if lost else ASKED), 100 * len(self.asked)
        lines = [form.format(n=start + n, place=f"old {p} lane") for n, p in enumerate(PLACES)]
        said = {"role": "assistant", "content": "\n".join(lines)}
        usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
        choice = {"index": 0, "message": said, "delta": said, "finish_reason": "stop"}
        chunk = {"id": "1", "model": "scribe", "choices": [choice], "usage": usage}
        answer = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """The file of a project with data sets of all kinds, and somebody's API to write more."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _Api.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    gold = [(HEARD.format(n=n, place=PLACES[n % 8] * (1 + n % 3)), "lost") for n in range(24)]
    gold += [(ASKED.format(n=n, place=PLACES[n % 8] * (1 + n % 3)), "price") for n in range(24)]
    turns = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}]
    write(
        tmp_path,
        {
            "inhouse.yaml": FILE.replace("PORT", str(server.server_port)),
            "gold.csv": "text,intent\n" + "".join(f'"{t}",{label}\n' for t, label in gold),
            "chats.jsonl": json.dumps({"messages": turns}) + "\noops\n",
            "exam.jsonl": json.dumps({"text": "Where is my parcel?", "label": "lost"}) + "\n",
        },
    )
    pairs = pa.table({"q": ["Hi?", "Ho?"], "good": ["Yes.", "So."], "bad": ["No.", None]})
    pq.write_table(pairs, tmp_path / "pairs.parquet")
    yield tmp_path / "inhouse.yaml"
    server.shutdown()
    thread.join()
    server.server_close()


def rows(project: Project, path: str) -> list[dict[str, object]]:
    return list(read_rows(project.catalog.load(project.catalog.get(Ref.parse(path)).ref).folder))


def test_a_project_makes_all_kinds_and_bears_their_labels(file: Path) -> None:
    with opened(file) as project:
        plan = {p.step.path: p.reason for p in project.plan().steps}
        assert plan["data/gold"] == "new; examples: text, label from 'intent'"
        assert plan["data/chats"] == "new; chats: messages"
        project.run()
        assert len(rows(project, "data/gold")) == 48
        split = {part: rows(project, f"data/parts/{part}") for part in ("train", "test")}
        assert len(split["train"]) + len(split["test"]) == 48
        assert len(rows(project, "data/seen")) == len(split["train"])
        (pair,) = rows(project, "data/pairs")
        assert pair["source"] == "pairs.parquet:1"
        more = project.catalog.get(Ref("data", "more"))
        assert more.label == Label.parse("staff & lab")
        asked = more.summary["asked"]
        assert asked["requests"] == len(_Api.asked) > 1
        cost = asked["requests"] * (1000 * 2 + 500 * 8) / 1e6
        assert asked["cost"] == f"{cost:.6g} EUR"
        written = [row for row in rows(project, "data/more") if row["source"] == "written"]
        assert len(written) == more.summary["written"] > 0
        assert {row["part"] for row in written} == {"train"}
        (taught,) = rows(project, "data/taught")
        assert taught["label"] == "lost"
        before = len(_Api.asked)
        assert not project.plan().changes
        project.run()
        assert len(_Api.asked) == before


def test_what_is_left_out_has_a_line_and_a_strict_run_stops_there(file: Path) -> None:
    said = quickly("run", "data/chats", cwd=file.parent)
    assert said.returncode == 0
    reason = "chats.jsonl:2: It is not JSON"
    assert reason in said.stdout + said.stderr
    assert "pairs.parquet:2" in quickly("run", "data/pairs", cwd=file.parent).stderr + ""
    shown = quickly("show", "data/chats", cwd=file.parent).stdout
    assert "chats: messages" in shown
    assert "chats.jsonl:2" in shown
    strict = quickly("run", "data/chats", "--strict", cwd=file.parent)  # it is there already
    assert (strict.returncode, reason in strict.stderr) == (2, True)
    with opened(file) as project, pytest.raises(UserError, match=r"pairs\.parquet:2: It has no"):
        edit(
            file,
            "{prompt: q, chosen: good, rejected: bad}",
            "{chosen: good, rejected: bad, prompt: q}",
        )
        project.run("data/pairs", strict=True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{prompt: q,", "{promt: q,", ["inhouse.yaml:6", "'promt'", "'prompt'"]),
        ("chosen: good", "chosen: god", ["pairs.parquet", "no column 'god'", "'good'"]),
        ("kind: examples", "kind: chats", ["exam.jsonl", "do not tell", "schema: {messages"]),
        ("from: data/gold,", "from: data/gold, kind: chats,", ["'kind' changes nothing"]),
        ("data/parts/train", "data/parts/tran", ["'data/parts/tran'", "'data/parts/train'"]),
        ("by: endpoints/scribe", "by: endpoints/scrib", ["'endpoints/scribe'"]),
        ("by: endpoints/scribe", "by: data/gold", ["'data/gold' is no model"]),
        ("./chats.jsonl", "hf://org/x", ["hf://datasets/ORG/NAME@COMMIT"]),
        ("per: class", "per: clas", ["'class' or 'task'"]),
        ("test: 0.3", "test: 0.4", ["the shares make 1.1"]),
    ],
)
def test_mistakes(file: Path, old: str, new: str, words: list[str]) -> None:
    edit(file, old, new)
    with pytest.raises(ProjectError) as raised, opened(file) as project:
        project.plan()
    for word in words:
        assert word in f"{raised.value.what} {raised.value.fix}"


def test_rows_with_headings_are_one_document_and_others_one_each(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "inhouse.yaml": "project: x\ndata:\n  one: {from: ./one.jsonl}\n"
            "  each: {from: ./one.jsonl, kind: documents}\n  rows: {from: ./docs}\n",
            "one.jsonl": '{"heading": "A", "text": "First."}\n{"heading": "B", "text": "Next."}\n',
            "docs/page.md": "# Page\n\nText.\n",
            "docs/rows.jsonl": '{"id": 7, "text": "A row.", "url": "u"}\n{"text": "Another."}\n',
            "docs/other.csv": "a,b\n1,2\n",
        },
    )
    with opened(tmp_path / "inhouse.yaml") as project:
        project.run()
        assert [row["id"] for row in rows(project, "data/one")] == ["one.jsonl"]
        assert [row["title"] for row in rows(project, "data/each")] == ["A", "B"]
        ids = [str(row["id"]) for row in rows(project, "data/rows")]
        assert ids[:2] == ["docs/page.md", "docs/rows.jsonl/7"]
        assert len(ids) == 3
        left = project.catalog.load(project.catalog.get(Ref("data", "rows")).ref).folder
        (line,) = (left / "ledger.jsonl").read_text().splitlines()
        assert json.loads(line)["path"] == "docs/other.csv"
