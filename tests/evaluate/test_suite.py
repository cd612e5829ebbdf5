"""Suites of questions, and what a search does on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import edit, opened, quickly, write

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound, ProjectError, Refused
from inhouse.evaluate.retrieval import report_of, unknown_ids
from inhouse.evaluate.rows import FILE
from inhouse.evaluate.suite import Question, read_questions

QUESTIONS = """\
{"query": "What is the price?", "relevant": ["docs/memos/one.md#price"], "kind": "faq"}

{"query": "What is the size?", "relevant": ["size"], "kind": "memo"}
"""


def questions(folder: Path, text: str) -> list[Question]:
    write(folder, {FILE: text})
    return read_questions(folder, name="q.jsonl")


def test_questions_are_read(tmp_path: Path) -> None:
    assert questions(tmp_path, QUESTIONS) == [
        Question("What is the price?", frozenset({"docs/memos/one.md#price"}), "faq"),
        Question("What is the size?", frozenset({"size"}), "memo"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "q.jsonl holds no question"),
        ("\n{", "q.jsonl:2: this is not JSON"),
        ("\xff", "q.jsonl:1: this is not JSON"),
        ('{"relevant": ["a"]}', "q.jsonl:1: 'query' is missing"),
        ('{"query": " ", "relevant": ["a"]}', "q.jsonl:1: 'query'"),
        ('{"query": "a", "relevant": []}', "q.jsonl:1: 'relevant'"),
        ('{"query": "a", "relevant": "b"}', "q.jsonl:1: 'relevant'"),
        ('{"query": "a \\ud800", "relevant": ["a"]}', "q.jsonl:1: this is not JSON"),
        ("[1]", "q.jsonl:1: this is no JSON object"),
        ("[" * 100_000, "q.jsonl:1: this is not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        questions(tmp_path, text)


def test_a_report_tells_all_kinds_and_the_worst() -> None:
    asked = [
        Question("good", frozenset("a"), "x"),
        Question("late", frozenset("b"), "y"),
        Question("never", frozenset("c"), "y"),
    ]
    report = report_of(asked, [["a"], ["z", "b"], ["z"]])
    assert report["metrics"]["hit@5"]["value"] == pytest.approx(2 / 3)
    assert report["metrics"]["mrr@10"]["value"] == pytest.approx(1.5 / 3)
    assert report["kinds"]["x"]["hit@5"] == {"value": 1, "low": 1, "high": 1}
    assert [missed["query"] for missed in report["worst"]] == ["never", "late"]
    assert report["worst"][0] == {
        "query": "never", "relevant": ("c",), "place": None, "first": "z",
    }  # fmt: skip


@pytest.fixture
def suite(made: Path) -> Path:
    """The small project with a suite."""
    write(made.parent, {"queries.jsonl": QUESTIONS})
    edit(
        made, "endpoints:\n", "suites:\n  faq: {kind: retrieval, from: queries.jsonl}\nendpoints:\n"
    )
    with opened(made) as project:
        project.run()
    return made


def test_a_suite_may_lie_at_home(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = write(suite.parent / "home", {"own.jsonl": QUESTIONS})
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    edit(suite, "from: queries.jsonl", 'from: "~/own.jsonl"')
    with opened(suite) as project:
        project.run("suites/faq")
        edit(suite, "~/own.jsonl", "~nobody-by-this-name/own.jsonl")
        with pytest.raises(ProjectError, match="no home folder"):
            project.run("suites/faq")


def test_a_knowledge_base_is_measured_once(suite: Path) -> None:
    with opened(suite) as project:
        made, report = project.evaluate("desk", "suites/faq")
        assert made.fresh
        assert report["metrics"]["recall@5"]["value"] == 1
        assert str(project.catalog.get(Ref.parse("reports/desk.faq")).label) == "buy-side"
        assert not project.evaluate("knowledge/desk", "faq")[0].fresh


def test_what_asks_for_other_sections_is_told(suite: Path) -> None:
    folder = suite.parent
    write(folder, {"queries.jsonl": QUESTIONS.replace('["size"]', '["size", "18f5", "9a"]')})
    with opened(suite) as project:
        project.run()
        assert project.evaluate("desk", "faq")[1]["unknown"] == ["18f5", "9a"]
    assert "2 relevant ids are no section of the knowledge base: 18f5 9a" in " ".join(
        quickly("evaluate", "desk", "faq", cwd=folder).stdout.split()
    )
    write(folder, {"queries.jsonl": '{"query": "What?", "relevant": ["18f5", "b"]}\n'})
    with opened(suite) as project:
        project.run()
        with pytest.raises(BadInput) as raised:
            project.evaluate("desk", "faq")
    assert raised.value.what == (
        "2 of 2 relevant ids are no section of knowledge/desk, such as '18f5'; "
        "ids there look like data/memos:docs/memos/one.md#price."
    )


def test_an_empty_knowledge_base_has_no_ids() -> None:
    with pytest.raises(BadInput, match="it has no sections"):
        unknown_ids([Question("a", frozenset("b"))], [], name="knowledge/k")


PLACES = [
    ("data/a:leave.md#overview", "leave.md", "overview"),
    ("data/b:leave.md#overview", "leave.md", "overview"),
    ("data/b:leave.md", "leave.md", ""),
    ("data/b:leave.md#a%20b", "leave.md", "a%20b"),
]


@pytest.mark.parametrize("name", ["overview", "leave.md#overview"])
def test_a_name_of_several_sections_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"'{name}' names 2 sections of knowledge/k"):
        unknown_ids([Question("a", frozenset({name}))], PLACES, name="knowledge/k")


def test_what_has_no_anchor_has_its_id_alone() -> None:
    asked = [Question("a", frozenset({"", "leave.md#", "a b", *(id for id, _, _ in PLACES)}))]
    assert unknown_ids(asked, PLACES, name="knowledge/k") == ["", "leave.md#"]


def test_who_may_not_read_it_may_not_measure_it(suite: Path) -> None:
    with opened(suite, actor="cy") as project, pytest.raises(Refused, match="carries buy-side"):
        project.evaluate("desk", "faq")


def test_what_is_not_there_is_named(suite: Path) -> None:
    with opened(suite) as project, pytest.raises(NotFound, match="'faq'"):
        project.evaluate("desk", "fag")
    (suite.parent / "queries.jsonl").unlink()
    with opened(suite) as project, pytest.raises(ProjectError, match="there is no file"):
        project.plan()
