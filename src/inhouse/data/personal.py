"""What the steps `pii` of a data set found: a report without samples, and the label it asks for.

How it is found is the business of the guard, and who may read what of the catalog.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inhouse.catalog.rows import RowReader
from inhouse.core.label import Label
from inhouse.data.account import FLAGGED
from inhouse.data.recipe import Step
from inhouse.guard.clauses import label_of
from inhouse.guard.seal import digest

REPORT = "personal_data.json"

Funnel = Sequence[Mapping[str, Any]]


def labels(steps: Sequence[Step]) -> bool:
    """Say whether what is found may add clauses to the label."""
    return any(step.settings.label for _, step in _looking(steps))


def found(steps: Sequence[Step], funnel: Funnel) -> Label:
    """Return what the findings add to the label of the data set."""
    marked = [at for at, step in _looking(steps) if step.settings.label]
    return label_of({kind for at in marked for kind in funnel[at]["flagged"]})


def report(work: Path, steps: Sequence[Step], funnel: Funnel) -> list[dict[str, Any]]:
    """Write the report of the steps `pii`, if there are any; return its table of types.

    For each step and each type that was looked for the report says how many findings there were in
    how many rows, and with what was looked; and how many rows nobody looked at, because an earlier
    step had dropped them. They are kept as they were.
    """
    told = []
    for at, step in _looking(steps):
        findings, touched = _counted(work, at)
        told.append(
            {
                "step": at,
                "how": step.settings.how,
                "rows": funnel[at - 1]["rows"],
                "rows_with_findings": touched,
                "rows_not_looked_at": funnel[0]["rows"] - funnel[at - 1]["rows"],
                "types": {
                    kind: {"findings": findings[kind], "rows": funnel[at]["flagged"].get(kind, 0)}
                    for kind in sorted(step.settings.types)
                },
                "guard": {
                    "sha256": digest(step.settings.types),
                    "least": step.settings.least,
                },
            }
        )
    if told:
        whole = {"adds_to_label": str(found(steps, funnel)), "steps": told}
        (work / REPORT).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return [
        {"step": f"{one['step']}. {one['how']}", "type": kind, **counts}
        for one in told
        for kind, counts in one["types"].items()
        if counts["findings"]
    ]


def _looking(steps: Sequence[Step]) -> Iterator[tuple[int, Step]]:
    """Yield the steps that look for personal data, with their numbers from 1."""
    return ((at, step) for at, step in enumerate(steps, 1) if step.name == "pii")


def _counted(work: Path, at: int) -> tuple[Counter[str], int]:
    """Return the findings of a step by type, and in how many rows they were."""
    findings: Counter[str] = Counter()
    touched, last = 0, None
    with RowReader(work, file=FLAGGED) as reader:
        for table in reader.all(("id", "step", "rule", "value")):
            for row in table.to_pylist():
                if row["step"] == at:
                    findings[row["rule"]] += int(row["value"])
                    touched += row["id"] != last  # what is noted of a row stands together
                    last = row["id"]
    return findings, touched
