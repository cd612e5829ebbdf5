"""Measures a search with a suite of questions: figures with intervals, by kind, and the worst.

How a ranking is scored stands in `inhouse.evaluate.ranking`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote

from inhouse.core.errors import BadInput
from inhouse.core.protocols import Retriever
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.evaluate.bootstrap import interval
from inhouse.evaluate.ranking import hit, ndcg, recall, reciprocal_rank
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

Places = Callable[[Path], Sequence[tuple[str, str, str]]]
"""``places(folder)``: id, document and anchor of every section of a knowledge base."""


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


def stage(retriever: Retriever, places: Places) -> Stage:
    """Return the stage that measures a search; its input ``suite`` holds the questions.

    `places` tells the sections of its input ``knowledge``, in which `retriever` searches. It
    writes ``report.json``; the summary holds the figures over all questions. It raises `BadInput`
    if the suite speaks of other sections altogether.
    """

    def run(spec: Measuring, inputs: Inputs, ctx: Context) -> Result:
        questions = read_questions(inputs["suite"].folder)
        base = inputs["knowledge"]
        unknown = unknown_ids(questions, places(base.folder), name=base.artifact.ref.path)
        ranked = []
        for done, question in enumerate(questions, 1):
            found = retriever.search(question.query, ctx.actor, top=spec.top)
            sections = [hit.section for hit in found.hits]
            ranked.append([_name(s.id, s.document, s.anchor, question.relevant) for s in sections])
            ctx.progress(done, len(questions), "questions")
        report = report_of(questions, ranked) | {"unknown": unknown}
        text = json.dumps(report, ensure_ascii=False, indent=1)
        (ctx.work / REPORT).write_text(text, encoding="utf-8")
        return Result({"questions": len(questions), "metrics": report["metrics"]})

    return Stage("evaluate.retrieval", 5, run)


def unknown_ids(
    questions: Sequence[Question], places: Sequence[tuple[str, str, str]], *, name: str
) -> list[str]:
    """Return the relevant ids that name no section, in order.

    Args:
        questions: what will be asked.
        places: id, document and anchor of every section there is.
        name: what to call the knowledge base in an error.

    Raises:
        BadInput: none of them names one, or one of them names several.
    """
    wanted = {each for question in questions for each in question.relevant}
    named = Counter(each for place in places for each in _names(*place) if each in wanted)
    unclear = [each for each, sections in sorted(named.items()) if sections > 1]
    if unclear:
        raise BadInput(
            f"{unclear[0]!r} names {named[unclear[0]]} sections of {name}, so nobody can tell "
            "which is meant.",
            "Write its id as `inhouse search --json` shows it.",
        )
    unknown = sorted(wanted - named.keys())
    if len(unknown) == len(wanted):
        there = f"ids there look like {places[0][0]}" if places else "it has no sections"
        raise BadInput(
            f"{len(unknown)} of {len(wanted)} relevant ids are no section of {name}, such as "
            f"{unknown[0]!r}; {there}.",
            "Write ids as `inhouse search --json` shows them, or measure what the suite is about.",
        )
    return unknown


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


def _names(id: str, document: str, anchor: str) -> Iterable[str]:
    """Return the names of a section that a suite may use, each once: id, place, and anchor."""
    if not anchor:
        return (id,)
    return dict.fromkeys((id, f"{document}#{anchor}", anchor, unquote(anchor)))


def _name(id: str, document: str, anchor: str, relevant: frozenset[str]) -> str:
    """Return the name that a question uses for a section, else its id."""
    return next((name for name in _names(id, document, anchor) if name in relevant), id)
