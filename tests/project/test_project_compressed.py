"""A classifier that is trained, made small and shown: from the project file to an answer."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from small_project import opened, quickly, write
from tests.compress.painted import EXAMPLES
from tests.compress.tiny_teacher import tiny_teacher

from inhouse.core.artifact import Ref
from inhouse.core.errors import ProjectError
from inhouse.project.read import read

FILE = """\
project: small
groups: {staff: [ana]}
data:
  gold: {from: ./gold.csv, schema: {text: text, label: label}, label: staff}
  watched: {from: data/gold, steps: [{toxicity: {model: models/colours-small, toxic: [red]}}]}
models:
  tiny: {from: "file:./base"}
  colours: {method: classify, base: models/tiny, examples: data/gold}
  colours-small: {compress: models/colours, budget: {points: 100, mb: 0.5}}
"""


@pytest.mark.slow
@pytest.mark.train
def test_a_classifier_is_trained_made_small_and_shown(tmp_path: Path):
    folder = write(tmp_path / "project", {"inhouse.yaml": FILE})
    with (folder / "gold.csv").open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([("text", "label"), *EXAMPLES])
    for name in ("base", "aside"):
        (folder / name).mkdir()
    tiny_teacher(folder / "base", folder / "aside")
    with opened(folder / "inhouse.yaml") as project:
        project.run("models/colours-small")
        artifact = project.artifact(Ref("models", "colours-small"))
        (*_, watched) = project.run("data/watched")
        assert watched.made.artifact.summary["funnel"][-1]["flagged"]["toxicity"] > 0
        assert "models/colours-small" in {edge.role for edge in watched.made.artifact.parents}
    assert artifact.summary["form"] == "hashed words"
    assert artifact.summary["within"]
    assert artifact.summary["bytes"] < 500_000
    assert str(artifact.label) == "staff"
    shown = quickly("show", "models/colours-small", "-a", "ana", cwd=folder)
    assert "tried, on" in shown.stdout
    assert "front.png" in shown.stdout


def test_a_budget_is_more_than_nothing(tmp_path: Path):
    folder = write(tmp_path, {"inhouse.yaml": FILE.replace("mb: 0.5", "mb: 0")})
    with pytest.raises(ProjectError, match="more than 0"):
        read(folder / "inhouse.yaml")
