"""Measures whether a search knows when the documents hold no answer.

How refusals are measured stands in `inhouse.evaluate.refusal`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import fmean

from inhouse.core.nouns import SUPPORTED
from inhouse.core.protocols import Retriever
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.evaluate.bootstrap import Interval, interval, resampled
from inhouse.evaluate.conversations import Asked, read_asked
from inhouse.evaluate.refusal import auroc, curve
from inhouse.evaluate.retrieval import REPORT, WORST, Measuring

ALLOWED = (0.01, 0.02, 0.05, 0.1, 0.2)

Figure = dict[str, float]
"""``{value, low, high}``, the last two bounding 95 % of the bootstrap."""


def stage(retriever: Retriever) -> Stage:
    """Return the stage that measures refusals; its input ``suite`` holds the questions.

    It writes ``report.json``; the summary holds the figures over all questions.
    """

    def run(spec: Measuring, inputs: Inputs, ctx: Context) -> Result:
        asked = read_asked(inputs["suite"].folder)
        supports = []
        for done, each in enumerate(asked, 1):
            found = retriever.search(each.query, ctx.actor, top=spec.top, before=each.before)
            supports.append(found.support)
            ctx.progress(done, len(asked), "questions")
        report = report_of(asked, supports)
        text = json.dumps(report, ensure_ascii=False, indent=1)
        (ctx.work / REPORT).write_text(text, encoding="utf-8")
        return Result({"questions": len(asked), "metrics": report["metrics"]})

    return Stage("evaluate.answerability", 2, run)


def report_of(asked: Sequence[Asked], supports: Sequence[float]) -> dict[str, object]:
    """Return the figures, the curve, what was refused by kind, and what was judged worst.

    Only answerable and unanswerable questions count in figures and curve; those between stand
    among the kinds.
    """
    pairs = list(zip(asked, supports, strict=True))
    some = [s for each, s in pairs if each.answerability == "ANSWERABLE"]
    others = [s for each, s in pairs if each.answerability == "UNANSWERABLE"]
    return {
        "kind": "answerability",
        "metrics": {
            "auroc": _figure(resampled(auroc, some, others)),
            "refused": _figure(_refused(others)),
            "false": _figure(_refused(some)),
        },
        "curve": [
            {**asdict(point), "refused": _figure(point.refused)}
            for point in curve(some, others, ALLOWED)
        ],
        "kinds": {
            kind: _kind([s for each, s in pairs if each.kind == kind])
            for kind in sorted({each.kind for each in asked})
        },
        "worst": list(_worst(pairs)),
    }


def _refused(supports: Sequence[float]) -> Interval:
    return interval([float(support < SUPPORTED) for support in supports])


def _figure(found: Interval) -> Figure:
    return {"value": found.mean, "low": found.low, "high": found.high}


def _kind(supports: Sequence[float]) -> dict[str, object]:
    return {
        "questions": len(supports),
        "support": fmean(supports),
        "refused": _figure(_refused(supports)),
    }


def _worst(pairs: Sequence[tuple[Asked, float]]) -> Iterator[dict[str, object]]:
    """Yield the questions that were judged most wrongly, the worst first."""
    wrong = [
        (support if each.answerability == "UNANSWERABLE" else 1 - support, each, support)
        for each, support in pairs
        if (each.answerability, support < SUPPORTED)
        in (("ANSWERABLE", True), ("UNANSWERABLE", False))
    ]
    for _, each, support in sorted(wrong, key=lambda it: -it[0])[:WORST]:
        yield {"query": each.query, "answerability": each.answerability, "support": support}
