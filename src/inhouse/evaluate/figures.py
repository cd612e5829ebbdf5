"""From the marks of single items to the figures of a suite, with intervals, also of a difference.

Marks are given in `examining`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inhouse.evaluate.bootstrap import Interval, resampled
from inhouse.evaluate.examining import Mark
from inhouse.evaluate.papers import Item, Kind, answers_of, asked_in

WORST = 10
SHOWN = 200
HIGHEST = 700.0

Measure = Callable[[Sequence[Mark]], float]
Figure = dict[str, float]
"""``{value, low, high}``, the last two bounding 95 % of the bootstrap."""


def _mean(name: str) -> Measure:
    return lambda marks: math.fsum(mark[name] for mark in marks) / len(marks)


def perplexity(marks: Sequence[Mark]) -> float:
    """Return the perplexity of each token, over all texts."""
    tokens = math.fsum(mark["tokens"] for mark in marks)
    return math.exp(min(-math.fsum(mark["logprob"] for mark in marks) / max(tokens, 1), HIGHEST))


def bits(marks: Sequence[Mark]) -> float:
    """Return the bits that each byte takes, which models of other tokens can be compared by."""
    size = math.fsum(mark["bytes"] for mark in marks)
    lost = -math.fsum(mark["logprob"] for mark in marks) / math.log(2)
    return lost / size


def accuracy(marks: Sequence[Mark]) -> float:
    """Return the share of texts that are put into their class."""
    return math.fsum(mark["said"] == mark["label"] for mark in marks) / len(marks)


def macro_f1(marks: Sequence[Mark]) -> float:
    """Return the mean of F1 over the classes that texts have."""
    right = Counter(mark["label"] for mark in marks if mark["said"] == mark["label"])
    there = Counter(mark["label"] for mark in marks)
    said = Counter(mark["said"] for mark in marks)
    each = [2 * right[label] / (there[label] + said[label]) for label in there]
    return math.fsum(each) / len(each)


MEASURES: Mapping[Kind, Mapping[str, Measure]] = {
    "perplexity": {"perplexity": perplexity, "bits_per_byte": bits},
    "questions": {"exact": _mean("exact"), "f1": _mean("f1")},
    "choice": {"accuracy": _mean("right"), "accuracy_norm": _mean("even")},
    "classes": {"accuracy": accuracy, "macro_f1": macro_f1},
    "needle": {"found": _mean("right")},
}
LESS_IS_BETTER = ("perplexity", "bits_per_byte")


def values(kind: Kind, marks: Sequence[Mark]) -> dict[str, float]:
    """Return the figures alone."""
    return {name: measure(marks) for name, measure in MEASURES[kind].items()}


def figures(kind: Kind, marks: Sequence[Mark]) -> dict[str, Figure]:
    """Return the figures, each with its interval."""

    def one(measure: Measure) -> Figure:
        return _figure(
            resampled(lambda drawn: measure([marks[i] for i in drawn]), range(len(marks)))
        )

    return {name: one(measure) for name, measure in MEASURES[kind].items()}


def differences(kind: Kind, first: Sequence[Mark], second: Sequence[Mark]) -> dict[str, Figure]:
    """Return by how much the second model's figures are higher, by the same items.

    The bootstrap is paired: the same items are drawn for both.
    """

    def one(measure: Measure) -> Figure:
        def higher(drawn: Sequence[int]) -> float:
            return measure([second[i] for i in drawn]) - measure([first[i] for i in drawn])

        return _figure(resampled(higher, range(len(first))))

    return {name: one(measure) for name, measure in MEASURES[kind].items()}


def report_of(kind: Kind, items: Sequence[Item], marks: Sequence[Mark]) -> dict[str, Any]:
    """Return the figures over all items and by kind, what went worst, and all marks."""
    kinds = sorted({item.kind for item in items})
    pairs = list(zip(items, marks, strict=True))
    return {
        "kind": kind,
        "metrics": figures(kind, marks),
        "kinds": {
            name: figures(kind, [mark for item, mark in pairs if item.kind == name])
            for name in kinds
            if len(kinds) > 1
        },
        "worst": _worst(pairs),
        "marks": marks,
    }


def _worst(pairs: Sequence[tuple[Item, Mark]]) -> list[dict[str, Any]]:
    """Return what went wrong most, at most `WORST` of it."""
    wrong = [(cost, item, mark) for item, mark in pairs if (cost := _cost(mark)) > 0]
    return [
        {
            "asked": asked_in(item)[:SHOWN],
            "right": [answer[:SHOWN] for answer in answers_of(item)],
            "said": str(mark["said"])[:SHOWN] if "said" in mark else f"{cost:.2f} a token",
        }
        for cost, item, mark in sorted(wrong, key=lambda it: -it[0])[:WORST]
    ]


def _cost(mark: Mark) -> float:
    if "logprob" in mark:
        return float(-mark["logprob"] / max(mark["tokens"], 1))
    if "label" in mark:
        return float(mark["said"] != mark["label"])
    return float(1 - mark.get("f1", mark.get("right", 1.0)))


def _figure(found: Interval) -> Figure:
    return {"value": found.mean, "low": found.low, "high": found.high}
