"""Keeps the rows of a domain, as a small classifier sees it that learns from a few of each side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from inhouse.core.errors import BadInput
from inhouse.data.leaves import texts_of
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Verdict

if TYPE_CHECKING:
    from inhouse.models.classifier import TextClassifier

CODE = 1
NEEDS: tuple[str, ...] = ()
INSIDE, OUTSIDE = "in", "out"
SPELLED = {INSIDE: "inside", OUTSIDE: "outside"}  # the first is a keyword of Python
MOST = 5_000
"""So many rows of each side are learnt from."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Data sets of both sides, and from which probability on a row is kept.

    `embed` is the embedder that the classifier sees the texts through; without one it sees words
    and pairs of words.
    """

    inside: str = field(metadata={"refs": True})
    outside: str = field(metadata={"refs": True})
    keep: float = field(default=0.5, metadata={"least": 0, "most": 1})
    embed: str | None = field(default=None, metadata={"refs": True, "kind": "embedder"})


def read(value: object) -> Domain:
    """Return the settings of ``{domain: {in: data/a, out: data/b, keep: 0.5}}``."""
    given = value if isinstance(value, Mapping) else {}
    given = {SPELLED.get(key, key): setting for key, setting in given.items()}
    if not given.keys() >= set(SPELLED.values()):
        raise BadInput("it does not name both sides.", "Write {in: data/NAME, out: data/OTHER}.")
    found = read_settings(Domain, given)
    for ref, section in ((found.inside, "data"), (found.outside, "data"), (found.embed, "models")):
        if ref is not None and not ref.startswith(f"{section}/"):
            raise BadInput(f"{ref!r} is none of the {section}.", f"Write {section}/NAME.")
    if found.inside == found.outside:
        raise BadInput("'in' and 'out' are the same.", "Name two data sets.")
    return found


def start(settings: Domain, given: Given) -> Filter:
    """Learn from both sides.

    Raises:
        BadInput: there are too few rows of a side.
    """
    from inhouse.data.vectors import vectoriser
    from inhouse.models.classifier import cross_validated, train

    sides = {INSIDE: settings.inside, OUTSIDE: settings.outside}
    texts = {
        side: [text for _, text in islice(texts_of(given.inputs[ref].folder), MOST)]
        for side, ref in sides.items()
    }
    labels = [side for side, found in texts.items() for _ in found]
    everything = [text for found in texts.values() for text in found]
    vectorise = vectoriser(given.inputs[settings.embed] if settings.embed else None)
    vectors = vectorise(everything)
    right = cross_validated(vectors, labels, everything)
    return Filter(settings.keep, train(vectors, labels, vectorise), right, len(everything))


class Filter:
    """Drops rows that are less likely inside than wanted."""

    def __init__(self, keep: float, classifier: TextClassifier, right: float, rows: int) -> None:
        self._keep, self._classifier = keep, classifier
        self._inside = list(classifier.classes).index(INSIDE)
        self.told = {"accuracy": round(right, 4), "learnt from": rows}
        """What is worth knowing of it: how often it is right about rows that it did not learn."""

    def judge(self, batch: Batch) -> Verdict:
        """Drop what is outside of the domain."""
        likely = self._classifier.classify(batch.texts.to_pylist())[:, self._inside]
        return Verdict(
            [
                Note(row, "outside", f"{found:.3f}", f"{self._keep:g}")
                for row, found in enumerate(likely)
                if found < self._keep
            ]
        )
