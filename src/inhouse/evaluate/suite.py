"""A suite: questions with what is known of their answers, pinned as an artifact.

It says what to measure, never what is good enough. Measuring is done in the module of its kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from inhouse.core.errors import BadInput, UserError
from inhouse.core.paths import located
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.evaluate import papers
from inhouse.evaluate.conversations import Asked, read_asked
from inhouse.evaluate.rows import FILE, rows

Kind = Literal["retrieval", "answerability"] | papers.Kind


@dataclass(frozen=True, slots=True)
class Suite:
    """The kind of a suite, its file relative to `root`, and the sha256 of that file.

    Nobody who does not know the `salt` can tell from a version whether the questions are those
    that they guess.
    """

    kind: Kind
    file: str
    sha256: str
    salt: str = ""
    root: str = field(default="", metadata={"identity": False})


@dataclass(frozen=True, slots=True)
class Question:
    """A query, the ids of the sections that answer it, and what kind of question it is."""

    query: str
    relevant: frozenset[str]
    kind: str = ""


def run(spec: Suite, inputs: Inputs, ctx: Context) -> Result:
    """Check the questions and keep them in ``questions.jsonl``.

    Raises:
        BadInput: a line is not a question; it is named.
        UserError: the file is not the one in `spec` any more.
    """
    path = located(spec.file, Path(spec.root))
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != spec.sha256:
        raise UserError(f"{path} changed while it was read.", "Run it again.")
    (ctx.work / FILE).write_bytes(data)
    questions: Sequence[Question | Asked | papers.Item]
    if spec.kind == "retrieval":
        questions = read_questions(ctx.work, name=str(path))
    elif spec.kind == "answerability":
        questions = read_asked(ctx.work, name=str(path))
    else:
        questions = papers.read_items(ctx.work, spec.kind, name=str(path))
    kinds = sorted({question.kind for question in questions} - {""})
    return Result({"kind": spec.kind, "questions": len(questions), "kinds": kinds})


STAGE = Stage("evaluate.suite", 1, run)


def read_questions(folder: Path, *, name: str = "") -> list[Question]:
    """Read the questions of a suite; `name` is what to call the file in errors.

    Raises:
        BadInput: a line is not ``{"query": …, "relevant": […]}``, or there is none.
    """
    return [_question(row, place) for place, row in rows(folder, name)]


def _question(row: Mapping[str, Any], place: str) -> Question:
    query, relevant, kind = row.get("query"), row.get("relevant"), row.get("kind", "")
    if not isinstance(query, str) or not query.strip():
        raise BadInput(f"{place}: 'query' is missing or no text.", "Write the question.")
    if not isinstance(relevant, list) or not relevant:
        raise BadInput(
            f"{place}: 'relevant' is missing or no list.",
            "List the ids of the sections that answer the question.",
        )
    return Question(query, frozenset(map(str, relevant)), str(kind))
