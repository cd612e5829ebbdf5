"""Measures a model with a suite: the stage that writes a report, and the watcher of a training.

What is asked, how it is marked and what figures are made of it stand in `papers`, `examining` and
`figures`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inhouse.core.protocols import Examined
from inhouse.core.stage import Context, Inputs, Result, Stage, silent
from inhouse.evaluate.examining import Examiner, examiner
from inhouse.evaluate.figures import report_of, values
from inhouse.evaluate.papers import Item, Kind, read_items
from inhouse.evaluate.retrieval import REPORT

SUITE = "suite"


@dataclass(frozen=True, slots=True)
class Examining:
    """Which kind of questions the suite has."""

    kind: Kind


def stage(examine: Examiner) -> Stage:
    """Return the stage that measures a model; its input ``suite`` holds the questions.

    It writes ``report.json``; the summary holds the figures over all of them.
    """

    def run(spec: Examining, inputs: Inputs, ctx: Context) -> Result:
        items = read_items(inputs[SUITE].folder, spec.kind)
        report = report_of(spec.kind, items, examine(items, ctx.progress))
        text = json.dumps(report, ensure_ascii=False, indent=1)
        (ctx.work / REPORT).write_text(text, encoding="utf-8")
        return Result({"questions": len(items), "metrics": report["metrics"]})

    return Stage("evaluate.model", 1, run)


class Looking:
    """Measures a model with suites while it learns; see `inhouse.core.protocols.Watcher`."""

    def __init__(self, suites: Mapping[str, tuple[Kind, Path]]) -> None:
        """Read suites, each with its kind and the folder of its questions.

        Raises:
            BadInput: one of them cannot be read.
        """
        self._suites: Mapping[str, tuple[Kind, list[Item]]] = {
            name: (kind, read_items(folder, kind)) for name, (kind, folder) in suites.items()
        }

    def look(self, model: Examined) -> Mapping[str, float]:
        """Return the figures of all suites, each as ``suites/NAME FIGURE``."""
        return {
            f"{name} {figure}": value
            for name, (kind, items) in self._suites.items()
            for figure, value in values(kind, examiner(model, kind)(items, silent)).items()
        }
