"""What plan says of a training beforehand, and of one that was interrupted, is so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_project import opened, write

from inhouse.core.errors import ProjectError
from inhouse.project.fitting import fit
from inhouse.project.read import read
from inhouse.train.checkpoint import commit

FILE = """\
project: beforehand
data: {memos: {from: ./docs}}
models:
  base: {from: smollm2-135m-instruct}
  analyst: {method: continue, base: models/base, mix: data/memos, price: {hour: 7, unit: EUR}}
  second: {method: continue, base: models/analyst, mix: data/memos, processes: 2, full: true}
  house: {method: scratch, size: 1M, mix: data/memos, report_to: tensorboard}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pages = {f"docs/{n}.md": f"# Page {n}\n\n{'Seven. ' * 900}" for n in range(20)}
    return write(tmp_path, {"inhouse.yaml": FILE, **pages}) / "inhouse.yaml"


def test_before_anything_is_pulled_it_is_known_what_it_takes(file: Path):
    with opened(file) as project:
        planned = {one.step.path: one for one in project.plan().steps}
        analyst, second = (planned[f"models/{name}"].reason for name in ("analyst", "second"))
        assert "; takes about 4.2 GiB of " in analyst
        assert "GiB in each of 2 processes, of " in second
        recipe = planned["models/analyst"].step.recipe
        recipes = {path: one.step.recipe for path, one in planned.items()}
        longer = replace(recipe, spec=replace(recipe.spec, tokens=10**12))
        if not any(Path("/dev").glob("nvidia[0-9]*")):
            assert "by what this machine multiplies; about " in analyst
            assert analyst.endswith(" EUR")
            said = fit(longer, project.catalog, recipes)
            hours, cost = (part.split()[1] for part in said.split("; ")[1:])
            assert float(cost.replace(",", "")) == pytest.approx(7 * float(hours), rel=0.01)
        assert longer.version != recipe.version
        free = replace(recipe, spec=replace(recipe.spec, price=None))
        assert free.version == recipe.version
        reports = planned["models/house"].step.recipe.spec.reports
        assert reports == (("tensorboard", str(file.parent / "runs"), "house"),)


def test_where_a_training_goes_on_is_said_as_it_is(file: Path):
    def reason() -> str:
        steps = project.plan("models/analyst").steps
        return next(one.reason for one in steps if one.step.path == "models/analyst")

    def write_state(folder: Path) -> None:
        (folder / "trainer_state.json").write_text(json.dumps({"max_steps": 400}))

    with opened(file) as project:
        steps = project.plan("models/analyst").steps
        recipe = next(one.step.recipe for one in steps if one.step.path == "models/analyst")
        work = project.catalog.blobs.work(recipe.version)
        assert reason().startswith("begins from the start: nothing was kept")
        (work / "checkpoints").mkdir()
        (work / "checkpoints" / "step-130.part").mkdir()
        assert reason().startswith("begins from the start: nothing was kept")
        commit(work / "checkpoints", 120, write_state)
        assert reason().startswith("goes on at step 120 of 400, where it was interrupted")


def test_a_server_needs_an_address(file: Path):
    text = file.read_text().replace("report_to: tensorboard", "report_to: mlflow")
    file.write_text(text)
    with pytest.raises(ProjectError, match=r"MLflow needs an address"):
        read(file)
