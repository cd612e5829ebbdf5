"""Notes rows that may be toxic, for people to look at; it drops none.

It learns what is toxic from labelled examples: a model that would be right everywhere there is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inhouse.core.errors import BadInput
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Verdict

if TYPE_CHECKING:
    from inhouse.guard.toxicity import Toxicity

CODE = 1
NEEDS: tuple[str, ...] = ()
FIX = "Write such as {toxicity: {examples: data/labelled, toxic: [toxic]}}."


@dataclass(frozen=True, slots=True)
class Flag:
    """The examples to learn from, those of their labels that mean toxic, and when to note a row."""

    examples: str = field(metadata={"refs": True})
    toxic: tuple[str, ...] = ("toxic",)
    least: float = field(default=0.5, metadata={"least": 0, "most": 1})


def read(value: object) -> Flag:
    """Return the settings of ``{toxicity: {examples: data/labelled, toxic: [hate]}}``."""
    if value is None or value == "flag":
        raise BadInput(
            "no model of toxicity comes with this program: it learns from examples.", FIX
        )
    return read_settings(Flag, value, main="examples")


def start(settings: Flag, given: Given) -> Flagging:
    """Train the model and make the step ready for work.

    Raises:
        BadInput: the examples are of another kind, or too few of them are toxic or not.
    """
    from inhouse.guard.toxicity import train

    texts, labels = _examples(given.inputs[settings.examples].folder, settings.examples)
    return Flagging(train(texts, [label in settings.toxic for label in labels]), settings.least)


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

    def __init__(self, model: Toxicity, least: float) -> None:
        self._model, self._least = model, least

    def judge(self, batch: Batch) -> Verdict:
        """Note the rows that may be toxic, with their score."""
        scores = self._model.score(batch.texts.to_pylist())
        return Verdict(
            flagged=[
                Note(row, "toxicity", f"{score:.2f}", f"{self._least:g}")
                for row, score in enumerate(scores.tolist())
                if score >= self._least
            ]
        )
