"""Notes rows that may be toxic, for people to look at; it drops none.

It learns what is toxic from labelled examples, or asks a classifier that has: a model that would be
right everywhere there is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inhouse.core.errors import BadInput, nearest
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Verdict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from inhouse.core.protocols import Classifier

    Score = Callable[[Sequence[str]], npt.NDArray[np.float32]]

CODE = 1
NEEDS: tuple[str, ...] = ()
FIX = (
    "Write such as {toxicity: {examples: data/labelled, toxic: [toxic]}}, or in place of examples "
    "a classifier, model: models/NAME."
)


@dataclass(frozen=True, slots=True)
class Flag:
    """What judges, the labels that mean toxic, and how likely they must be for a row to be noted.

    A linear model judges that learns from `examples`, or a classifier of the project, `model`.
    """

    examples: str | None = field(default=None, metadata={"refs": True})
    model: str | None = field(default=None, metadata={"refs": True, "kind": "classifier"})
    toxic: tuple[str, ...] = ("toxic",)
    least: float = field(default=0.5, metadata={"least": 0, "most": 1})


def read(value: object) -> Flag:
    """Return the settings of ``{toxicity: {examples: data/labelled, toxic: [hate]}}``."""
    if value is None or value == "flag":
        raise BadInput(
            "no model of toxicity comes with this program: it learns from examples.", FIX
        )
    found = read_settings(Flag, value, main="examples")
    if (found.examples is None) == (found.model is None):
        raise BadInput("either examples or a model says what is toxic.", FIX)
    for ref, section in ((found.examples, "data"), (found.model, "models")):
        if ref is not None and not ref.startswith(f"{section}/"):
            raise BadInput(f"{ref!r} is none of the {section}.", f"Write {section}/NAME.")
    return found


def start(settings: Flag, given: Given) -> Flagging:
    """Make the step ready for work: train the linear model, or open the classifier.

    Raises:
        BadInput: the examples are of another kind, or too few of them are toxic or not; or a label
            is none of theirs, or of the classifier's.
    """
    if settings.model is not None:
        from inhouse.models.load import load_classifier

        opened = load_classifier(given.inputs[settings.model].folder, name=settings.model)
        return Flagging(_of(opened, settings), settings.least)
    from inhouse.guard.toxicity import train

    name = settings.examples or ""
    texts, labels = _examples(given.inputs[name].folder, name)
    _check(settings, name, sorted(set(labels)))
    trained = train(texts, [label in settings.toxic for label in labels])
    return Flagging(trained.score, settings.least)


def _of(model: Classifier, settings: Flag) -> Score:
    """Return what says how likely a text has one of the toxic labels, by a classifier."""
    _check(settings, settings.model or "", model.classes)
    places = [place for place, name in enumerate(model.classes) if name in settings.toxic]

    def score(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        likely: npt.NDArray[np.float32] = model.classify(texts)[:, places].sum(1)
        return likely

    return score


def _check(settings: Flag, who: str, classes: Sequence[str]) -> None:
    for label in settings.toxic:
        if label not in classes:
            near = nearest(label, classes)
            known = f"It knows: {', '.join(classes)}. Name under 'toxic' which of them mean it."
            raise BadInput(
                f"{who} knows no label {label!r}.", f"Did you mean {near!r}?" if near else known
            )


def _examples(folder: Path, name: str) -> tuple[list[str], list[str]]:
    from inhouse.catalog.rows import RowReader

    with RowReader(folder) as reader:
        if reader.kind != "examples":
            raise BadInput(f"{name} holds {reader.kind}, not examples with labels.", FIX)
        texts: list[str] = []
        labels: list[str] = []
        for group in reader.all(("text", "label")):
            texts += group.column("text").to_pylist()
            labels += group.column("label").to_pylist()
    return texts, labels


class Flagging:
    """Notes the rows whose score is high enough."""

    def __init__(self, score: Score, least: float) -> None:
        self._score, self._least = score, least

    def judge(self, batch: Batch) -> Verdict:
        """Note the rows that may be toxic, with their score."""
        texts = batch.texts.to_pylist()
        scores = self._score(texts).tolist() if texts else []
        return Verdict(
            flagged=[
                Note(row, "toxicity", f"{score:.2f}", f"{self._least:g}")
                for row, score in enumerate(scores)
                if score >= self._least
            ]
        )
