"""Suites of questions with and without an answer, and what a search says of them."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from small_project import edit, opened, quickly, write

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Message
from inhouse.evaluate.answerability import report_of
from inhouse.evaluate.conversations import Asked, read_asked
from inhouse.evaluate.rows import FILE

ROWS = [
    {"query": "What is the price?", "answerable": True, "kind": "memo"},
    {
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "What is the size?"},
            {"role": "assistant", "content": "Nine."},
            {"role": "user", "content": "And the weight?"},
        ],
        "answerable": False,
    },
    {
        "task_id": "1<::>2",
        "conversation": [
            {"speaker": "user", "text": "Who signs?"},
            {"speaker": "agent", "text": "I do not know."},
            {"speaker": "user", "text": "When then?"},
        ],
        "answerability": "UNDERSPECIFIED",
    },
]


def asked(folder: Path, *rows: object) -> list[Asked]:
    write(folder, {FILE: "\n".join(json.dumps(row) for row in rows)})
    return read_asked(folder, name="q.jsonl")


def test_questions_are_read_with_the_turns_before(tmp_path: Path) -> None:
    assert asked(tmp_path, *ROWS) == [
        Asked("What is the price?", (), "ANSWERABLE", "memo"),
        Asked(
            "And the weight?",
            (
                Message("system", "Be short."),
                Message("user", "What is the size?"),
                Message("assistant", "Nine."),
            ),
            "UNANSWERABLE",
            "unanswerable",
        ),
        Asked(
            "When then?",
            (Message("user", "Who signs?"), Message("assistant", "I do not know.")),
            "UNDERSPECIFIED",
            "underspecified",
        ),
    ]


@pytest.mark.data
@pytest.mark.skipif("INHOUSE_DATA" not in os.environ, reason="INHOUSE_DATA names no folder")
def test_a_published_set_is_read_as_it_is(tmp_path: Path) -> None:
    published = Path(os.environ["INHOUSE_DATA"], "mtrag-clapnq", "answerability.jsonl")
    (tmp_path / FILE).write_bytes(published.read_bytes())
    counts = Counter(each.answerability for each in read_asked(tmp_path))
    assert counts == {
        "ANSWERABLE": 65, "UNDERSPECIFIED": 37, "UNANSWERABLE": 22, "PARTIAL": 18,
    }  # fmt: skip


USER = {"role": "user", "content": "Why?"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"answerable": True}, "q.jsonl:1: 'query' is missing"),
        ({"query": " ", "answerable": True}, "q.jsonl:1: 'query' is missing or no text"),
        ({"query": "Why?"}, "q.jsonl:1: 'answerable' is missing"),
        ({"query": "Why?", "answerable": "yes"}, "q.jsonl:1: 'answerable'"),
        ({"query": "Why?", "answerability": "MAYBE"}, "q.jsonl:1: 'answerability'"),
        ({"messages": [], "answerable": True}, "q.jsonl:1: 'messages' is no list of turns"),
        ({"messages": "Why?", "answerable": True}, "q.jsonl:1: 'messages' is no list"),
        ({"messages": [USER, {"role": "bot", "content": "a"}]}, r"q.jsonl:1: 'messages\[1\]'"),
        ({"conversation": [{"speaker": "user"}]}, r"q.jsonl:1: 'conversation\[0\]'"),
        ({"messages": [USER, {"role": "assistant", "content": "So."}]}, "not the user's"),
        ({"query": "Why?", "answerable": True}, "holds no unanswerable question"),
        ({"query": "Why?", "answerable": False}, "holds no answerable question"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: object, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        asked(tmp_path, row)


def test_a_report_tells_figures_curve_kinds_and_the_worst() -> None:
    questions = [
        Asked("a", (), "ANSWERABLE", "x"),
        Asked("b", (), "ANSWERABLE", "x"),
        Asked("c", (), "UNANSWERABLE", "y"),
        Asked("d", (), "UNANSWERABLE", "y"),
        Asked("e", (), "PARTIAL", "partial"),
    ]
    report = report_of(questions, [0.9, 0.4, 0.1, 0.8, 0.3])
    figures = {name: figure["value"] for name, figure in report["metrics"].items()}
    assert figures == {"auroc": 0.75, "refused": 0.5, "false": 0.5}
    assert [point["allowed"] for point in report["curve"]] == [0.01, 0.02, 0.05, 0.1, 0.2]
    assert report["curve"][0]["threshold"] == 0.4
    assert report["curve"][0]["refused"]["value"] == 0.5
    assert {kind: it["questions"] for kind, it in report["kinds"].items()} == {
        "partial": 1, "x": 2, "y": 2,
    }  # fmt: skip
    assert report["kinds"]["partial"]["refused"]["value"] == 1
    assert [(wrong["query"], wrong["support"]) for wrong in report["worst"]] == [
        ("d", 0.8),
        ("b", 0.4),
    ]


@pytest.fixture
def suite(made: Path) -> Path:
    """The small project with a suite."""
    write(made.parent, {"asked.jsonl": "\n".join(json.dumps(row) for row in ROWS)})
    edit(
        made,
        "endpoints:\n",
        "suites:\n  refuse: {kind: answerability, from: asked.jsonl}\nendpoints:\n",
    )
    with opened(made) as project:
        project.run()
    return made


def test_a_knowledge_base_is_measured(suite: Path) -> None:
    with opened(suite) as project:
        made, report = project.evaluate("desk", "refuse")
    assert made.artifact.summary["questions"] == 3
    assert set(report["kinds"]) == {"memo", "unanswerable", "underspecified"}


def test_the_command_prints_the_curve(suite: Path) -> None:
    done = quickly("evaluate", "desk", "suites/refuse", cwd=suite.parent)
    assert done.returncode == 0, done.stderr
    assert "AUROC" in done.stdout
    assert "≤ 10%" in done.stdout
    assert "kept as reports/desk.refuse@" in done.stdout
    done = quickly("evaluate", "desk", "refuse", "--json", cwd=suite.parent)
    assert json.loads(done.stdout)["kind"] == "answerability"
