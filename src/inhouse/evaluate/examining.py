"""Asks a model what a suite asks, and marks what it says, item by item.

Figures over all marks are made in `figures`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from inhouse.core.protocols import Answers, Classifier, Examined, Likelihood
from inhouse.core.stage import Progress
from inhouse.evaluate.answers import exact, f1
from inhouse.evaluate.papers import Choice, Hidden, Item, Kind, Labelled, Question, Text, labels_of
from inhouse.models.likelihood import NOTHING, PROMPT, endings, mean, probabilities

AT_ONCE = 16
TOKENS = 64
"""The most tokens of an answer: what is right is short, or else nothing to compare by its words."""

Asked = TypeVar("Asked")
Mark = Mapping[str, Any]
"""What is known of one item: numbers by name, and what the model `said`."""
Examiner = Callable[[Sequence[Item], Progress], list[Mark]]


def examiner(model: Examined, kind: Kind) -> Examiner:
    """Return what marks a language model."""
    if kind == "questions":
        return asker(model)
    judge = {"perplexity": _read, "choice": _chosen, "classes": _classed, "needle": _found}[kind]
    return lambda items, progress: judge(model, items, progress)


def asker(model: Answers) -> Examiner:
    """Return what marks the answers of a model or an endpoint to questions."""
    return lambda items, progress: _answered(model, items, progress)


def sorter(classifier: Classifier) -> Examiner:
    """Return what marks a classifier on labelled texts, by its likeliest class."""

    def judge(items: Sequence[Item], progress: Progress) -> list[Mark]:
        labelled = [cast(Labelled, item) for item in items]
        found: list[Mark] = []
        for some in _some(labelled, progress):
            best = classifier.classify([item.text for item in some]).argmax(1)
            found += [
                {"label": item.label, "said": classifier.classes[place]}
                for item, place in zip(some, best, strict=True)
            ]
        return found

    return judge


def _read(model: Examined, items: Sequence[Item], progress: Progress) -> list[Mark]:
    found: list[Mark] = []
    for some in _some(items, progress):
        texts = [cast(Text, item).text for item in some]
        found += [
            {"logprob": one.logprob, "tokens": one.tokens, "bytes": len(text.encode())}
            for one, text in zip(model.read(texts), texts, strict=True)
        ]
    return found


def _answered(model: Answers, items: Sequence[Item], progress: Progress) -> list[Mark]:
    found: list[Mark] = []
    for some in _some([cast(Question, item) for item in items], progress):
        said = model.answers([item.messages for item in some], tokens=TOKENS)
        found += [
            {"exact": exact(one, item.answers), "f1": f1(one, item.answers), "said": one}
            for one, item in zip(said, some, strict=True)
        ]
    return found


def _chosen(model: Examined, items: Sequence[Item], progress: Progress) -> list[Mark]:
    found: list[Mark] = []
    for some in _some([cast(Choice, item) for item in items], progress):
        told = model.endings([(item.text, endings(item.choices)) for item in some])
        for item, own in zip(some, told, strict=True):
            best = _best([one.logprob for one in own])
            # By characters, as lm-evaluation-harness does: tokens would favour some tokenizers.
            long = zip(own, item.choices, strict=True)
            even = _best([one.logprob / len(choice) for one, choice in long])
            mark = {"right": float(best == item.right), "even": float(even == item.right)}
            found.append(mark | {"said": item.choices[best]})
    return found


def _found(model: Examined, items: Sequence[Item], progress: Progress) -> list[Mark]:
    hidden = [cast(Hidden, item) for item in items]
    return [
        {**mark, "length": item.length, "depth": item.depth}
        for item, mark in zip(hidden, _chosen(model, items, progress), strict=True)
    ]


def _classed(model: Examined, items: Sequence[Item], progress: Progress) -> list[Mark]:
    """Mark by the label that a text makes likelier most, as an endpoint does that classifies."""
    labels = list(labels_of(items))
    behind = endings(labels)
    nothing = model.endings([(PROMPT.format(text=text), behind) for text in NOTHING])
    prior = mean([_means(own) for own in nothing])
    found: list[Mark] = []
    for some in _some([cast(Labelled, item) for item in items], progress):
        told = model.endings([(PROMPT.format(text=item.text), behind) for item in some])
        for item, own in zip(some, told, strict=True):
            best = _best(probabilities(_means(own), prior))
            found.append({"label": item.label, "said": labels[best]})
    return found


def _some(items: Sequence[Asked], progress: Progress) -> Iterator[Sequence[Asked]]:
    """Yield items a few at a time, and tell how far it is."""
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
        progress(min(start + AT_ONCE, len(items)), len(items), "questions")


def _means(own: Sequence[Likelihood]) -> list[float]:
    return [one.logprob / max(one.tokens, 1) for one in own]


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda place: (_ordered(scores[place]), -place))


def _ordered(score: float) -> float:
    """Return a score that may be compared: a model that went astray has some that are none."""
    return -math.inf if math.isnan(score) else score
