"""Suites of models in a project: watched while one learns, and measured of what is served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project.test_project_trained import MEMO, tiny_base
from small_project import edit, opened, quickly, write

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, ProjectError, Refused
from inhouse.project.learnt import curves
from inhouse.project.read import read

WATCH = "{every: 4, suites: [suites/quiz, suites/pay, suites/needle]}"
FILE = f"""\
project: suites
groups: {{staff: [ana, bo], hr: [ana]}}
data:
  memos: {{from: ./docs/memos}}
  pay: {{from: ./docs/pay, label: hr}}
  short: {{from: ./short.md}}
  gold: {{from: ./gold.csv}}
  chats: {{from: ./chats.jsonl, kind: chats}}
models:
  base: {{from: "file:./base"}}
  minilm: {{from: minilm-l6}}
  analyst: {{method: continue, base: models/base, mix: data/memos, budget: {{tokens: 1k}},
    length: 64, batch: 2, full: true, rate: 0.01, watch: {WATCH}}}
suites:
  quiz: {{kind: choice, from: ./quiz.jsonl}}
  pay: {{kind: perplexity, on: data/pay, most: 2}}
  asked: {{kind: questions, from: ./asked.jsonl}}
  needle: {{kind: needle, on: data/short, lengths: [60], depths: 2, times: 1}}
  talks: {{kind: questions, on: data/chats}}
  moods: {{kind: classes, on: data/gold}}
  found: {{kind: retrieval, from: ./found.jsonl}}
endpoints:
  analyst: {{model: models/analyst}}
  gpt: {{model: {{api: "http://127.0.0.1:9/v1", name: gpt}}}}
"""
QUIZ = [
    {"text": "The price of the blue book is", "choices": ["seven", "xqzvw"], "answer": "seven"},
    {"text": "and that of the red one is", "choices": ["zzkkw", "nine"], "answer": 1},
]
CHAT = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}
PAGES = {
    "inhouse.yaml": FILE,
    "quiz.jsonl": "\n".join(map(json.dumps, QUIZ)),
    "asked.jsonl": '{"query": "What is the price?", "answers": ["seven"]}',
    "found.jsonl": '{"query": "What?", "relevant": ["a"]}',
    "gold.csv": "text,label\n" + "all is fine,good\nall is lost,bad\n" * 2,
    "chats.jsonl": json.dumps(CHAT),
    "short.md": "It is so.\n\n" * 100,
    **{f"docs/{folder}/{n}.md": MEMO for folder in ("memos", "pay") for n in range(4)},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, PAGES) / "inhouse.yaml"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (WATCH, "{suites: [suites/quizz]}", "'suites/quizz' is not among the suites of this file."),
        (WATCH, "{suites: [suites/found]}", "'suites/found' asks knowledge bases, and no models."),
        (WATCH, "{suite: [suites/quiz]}", "Did you mean 'suites'"),
        (WATCH, "often", "every, suites"),
        (WATCH, "-1", "it should be 0 or more, not -1"),
        ("kind: choice, from: ./quiz.jsonl", "kind: choice, on: data/gold", "drawn from no data"),
        ("kind: choice, from: ./quiz.jsonl", "kind: choice", "Write from: FILE or on: data/NAME."),
        ("on: data/gold", "on: data/gld", "Did you mean 'data/gold'?"),
        ("on: data/gold", "from: ./gold.csv, most: 3", "a file is asked whole"),
        ("on: data/gold", "on: data/gold, depths: 3", "'depths' changes nothing of a suite"),
        ("kind: classes, on: data/gold", "kind: needle, from: ./x", "is hidden in documents"),
        ("kind: perplexity, on: data/pay", "kind: needle, on: data/pay", "'most' changes nothing"),
    ],
)
def test_a_wrong_entry_is_one_sentence(file: Path, old: str, new: str, said: str):
    edit(file, old, new)
    with pytest.raises(ProjectError) as error:
        read(file)
    assert said in str(error.value)


def test_a_number_of_steps_will_do(file: Path):
    edit(file, WATCH, "3")
    project, _ = read(file)
    assert project.models["analyst"].watch.every == 3


@pytest.fixture
def made(file: Path) -> Path:
    tiny_base(file.parent / "base")
    with opened(file) as project:
        for path in ("models/analyst", "suites/moods", "suites/talks"):
            project.run(path)
    return file


@pytest.mark.train
def test_suites_look_on(made: Path):
    with opened(made) as project:
        tuned = project.artifact(Ref.parse("models/analyst"))
        assert str(tuned.label) == "hr"  # its curves tell of data/pay
        found = curves(project, tuned)
        looked = [step for step, it in enumerate(found["suites/quiz accuracy"]) if it is not None]
        assert looked == [0, 4, 8]
        before, after = tuned.summary["suites"]["suites/pay perplexity"]
        assert after < before / 3
        assert len(tuned.summary["suites"]["suites/needle found"]) == 2
        with pytest.raises(BadInput, match="is a suite of the kind choice, which asks models"):
            project.evaluate("desk", "quiz")
        project.run("suites/quiz")
        write(made.parent, {"quiz.jsonl": json.dumps(QUIZ[0])})
        (planned,) = (p for p in project.plan().steps if p.step.path == "models/analyst")
        assert planned.status == "will be made"
    shown = quickly("show", "models/analyst", "--curves", cwd=made.parent)
    for said in ("suites/pay perplexity: ", "suites/quiz accuracy", "before"):
        assert said in shown.stdout, shown.stderr
    closed = quickly("show", "models/analyst", cwd=made.parent, INHOUSE_ACTOR="bo")
    assert "suites/pay perplexity" not in closed.stdout


@pytest.mark.slow
@pytest.mark.train
def test_what_is_served_is_measured(made: Path):
    with opened(made) as project:
        project.run()
        with pytest.raises(Refused, match="carries hr, inherited from data/pay"):
            project.ask("analyst", "What?", actor="bo")
        ends = project.artifact(Ref.parse("models/analyst")).summary["suites"]
        first, report = project.evaluate("models/analyst", "quiz")
        assert first.fresh
        assert report["metrics"].keys() == {"accuracy", "accuracy_norm"}
        assert first.artifact.ref.path == "reports/models.analyst.quiz"
        assert not project.evaluate("models/analyst", "suites/quiz")[0].fresh
        # Eight bits have other weights, but not by much.
        served = project.evaluate("models/analyst", "pay")[1]["metrics"]["perplexity"]
        assert served["value"] == pytest.approx(ends["suites/pay perplexity"][1], rel=0.1)
        assert project.evaluate("models/analyst", "moods")[1]["metrics"]["accuracy"]["value"] <= 1
        assert project.evaluate("models/analyst", "talks")[1]["worst"][0]["right"] == ["So."]
        (mark,) = project.evaluate("endpoints/analyst", "asked")[1]["marks"]
        assert mark["said"].startswith(project.ask("analyst", "What is the price?").text[:20])
        for ref, suite, said in [
            ("models/minilm", "quiz", "is an embedder"),
            ("models/analyst", "found", "is a suite of the kind retrieval, which asks knowledge"),
            ("endpoints/gpt", "quiz", "An API does not tell how likely texts are"),
        ]:
            with pytest.raises(BadInput, match=said):
                project.evaluate(ref, suite)
    with opened(made, "bo") as project, pytest.raises(Refused, match="carries hr"):
        project.evaluate("models/analyst", "quiz")
    check_the_program(made.parent)


def check_the_program(folder: Path) -> None:
    # No endpoint has the base, so the form that is served is made for the comparison.
    words = ("evaluate", "models/base", "models/analyst", "suites/pay")
    compared = quickly(*words, cwd=folder)
    assert "higher than models/base by" in compared.stdout, compared.stderr
    plain = json.loads(quickly(*words, "--json", cwd=folder).stdout)
    assert plain["differences"][0]["perplexity"]["high"] < 0
    alone = quickly("evaluate", "models/analyst", "suites/quiz", cwd=folder)
    assert "2 questions" in alone.stdout
    assert "kept as reports/models.analyst.quiz@" in alone.stdout
    hidden = quickly("evaluate", "models/analyst", "suites/needle", cwd=folder).stdout
    assert "2 needles, found" in hidden
    assert "100%" in hidden.partition("depth")[2]
    assert quickly("evaluate", "suites/quiz", cwd=folder).returncode == 2
