"""Measures a search with a suite of questions: figures with intervals, by kind, and the worst.

How a ranking is scored stands in `inhouse.evaluate.retrieval`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from inhouse.core.nouns import Section
from inhouse.core.protocols import Retriever
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.evaluate.retrieval import hit, interval, ndcg, recall, reciprocal_rank
from inhouse.evaluate.suite import Question, read_questions

TOP = 10
WORST = 10
REPORT = "report.json"
MEASURES = {
    "hit@5": (hit, 5),
    "recall@5": (recall, 5),
    "mrr@10": (reciprocal_rank, 10),
    "ndcg@10": (ndcg, 10),
}

Figures = dict[str, dict[str, float]]
"""Measure -> ``{value, low, high}``, the last two bounding 95 % of bootstrap means."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """How deep to look: `top` is the number of sections asked for."""

    top: int = TOP


@dataclass(frozen=True, slots=True)
class Missed:
    """A question whose first right section came late or not at all, and what came first."""

    query: str
    relevant: tuple[str, ...]
    place: int | None
    first: str


def stage(retriever: Retriever) -> Stage:
    """Return the stage that measures a search; its input ``suite`` holds the questions.

    It writes ``report.json``; the summary holds the figures over all questions.
    """

    def run(spec: Measuring, inputs: Inputs, ctx: Context) -> Result:
        questions = read_questions(inputs["suite"].folder)
        ranked = []
        for done, question in enumerate(questions, 1):
            found = retriever.search(question.query, ctx.actor, top=spec.top)
            ranked.append([_name(each.section, question.relevant) for each in found.hits])
            ctx.progress(done, len(questions), "questions")
        report = report_of(questions, ranked)
        text = json.dumps(report, ensure_ascii=False, indent=1)
        (ctx.work / REPORT).write_text(text, encoding="utf-8")
        return Result({"questions": len(questions), "metrics": report["metrics"]})

    return Stage("evaluate.search", 2, run)


def report_of(questions: Sequence[Question], ranked: Sequence[Sequence[str]]) -> dict[str, object]:
    """Return the figures over all questions and by kind, and the questions that went worst.

    Args:
        questions: what was asked.
        ranked: what was found for each, best first, by the names that questions use.
    """
    pairs = list(zip(questions, ranked, strict=True))
    kinds = sorted({question.kind for question in questions})
    worst = sorted(
        (_missed(question, found) for question, found in pairs),
        key=lambda missed: (-(missed.place or len(pairs) + TOP), missed.query),
    )
    return {
        "kind": "retrieval",
        "metrics": _figures(pairs),
        "kinds": {
            kind: _figures([pair for pair in pairs if pair[0].kind == kind])
            for kind in kinds
            if len(kinds) > 1
        },
        "worst": [asdict(missed) for missed in worst[:WORST] if missed.place != 1],
    }


def _figures(pairs: Sequence[tuple[Question, Sequence[str]]]) -> Figures:
    figures = {}
    for name, (measure, k) in MEASURES.items():
        found = interval([measure(ranked, question.relevant, k) for question, ranked in pairs])
        figures[name] = {"value": found.mean, "low": found.low, "high": found.high}
    return figures


def _missed(question: Question, found: Sequence[str]) -> Missed:
    places: Mapping[str, int] = {name: place for place, name in enumerate(found, 1)}
    place = min((places[name] for name in question.relevant if name in places), default=None)
    return Missed(question.query, tuple(sorted(question.relevant)), place, next(iter(found), ""))


def _name(section: Section, relevant: frozenset[str]) -> str:
    """Return the name of a section that a suite may use: its id, its place, or its anchor."""
    names = (section.id, f"{section.document}#{section.anchor}", section.anchor)
    return next((name for name in names if name in relevant), section.id)
