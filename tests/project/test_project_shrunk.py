"""A language model that is made small by a project: its forms, the choice, and who may use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project.test_project_trained import tiny_base
from small_project import opened, quickly, write

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, ProjectError, Refused
from inhouse.project.exporting import export

SMALL = "{compress: models/base, budget: {perplexity: 5%}, test: data/held}"
LAYERS = "layers: {mix: data/memos, leave_out: [50%], budget: {tokens: 2k}, length: 64, batch: 2}"
FILE = f"""\
project: shrunk
groups: {{hr: [ana]}}
data:
  memos: {{from: ./docs/memos}}
  held: {{from: ./docs/held, label: hr}}
models:
  base: {{from: "file:./base"}}
  small: {SMALL}
endpoints:
  small: {{model: models/small}}
"""
MEMO = "# Memo\n\nThe price of the blue book is seven, and that of the red one is nine.\n" * 12
PAGES = {
    "inhouse.yaml": FILE,
    **{f"docs/{folder}/{n}.md": MEMO for folder in ("memos", "held") for n in range(3)},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, PAGES) / "inhouse.yaml"


def planned(file: Path, entry: str, more: str = "") -> None:
    file.write_text(FILE.replace(SMALL, entry) + more)
    for name in ("model.safetensors", "config.json"):
        (file.parent / "base").mkdir(exist_ok=True)
        (file.parent / "base" / name).write_text("{}" if name == "config.json" else "")
    with opened(file) as project:
        project.plan()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (SMALL.replace("5%", "5 percent"), "'5 percent' is no share"),
        (SMALL.replace(", test: data/held", ""), "'models.small.test' is missing"),
        (SMALL.replace("models/base", "models/bse"), "Did you mean 'models/base'"),
        (SMALL.replace("data/held", "data/hold"), "Did you mean 'data/held'"),
        (SMALL.replace("perplexity: 5%", "points: 1"), "is no classifier that was trained here"),
        (
            SMALL.replace("perplexity: 5%", "mb: 3"),
            "'models/base' is no classifier that was trained",
        ),
        (f"{SMALL[:-1]}, layers: {{mix: data/memo}}}}", "Did you mean 'data/memos'"),
        (f"{SMALL[:-1]}, layers: {{mix: data/memos, leave_out: [0]}}}}", "changes nothing"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(entry: str, said: str, file: Path):
    with pytest.raises(ProjectError) as raised:
        planned(file, entry)
    assert said in f"{raised.value}"


def test_nothing_is_made_of_what_is_small(file: Path):
    for entry in (
        "{compress: models/small, budget: {perplexity: 5%}, test: data/held}",
        "{method: continue, base: models/small, mix: data/memos}",
    ):
        with pytest.raises(
            ProjectError, match=r"models/small' (was made small|is no language model)"
        ):
            planned(file, f"{SMALL}\n  other: {entry}")


def test_forms_are_shared_and_layers_are_tried_if_asked_for(file: Path):
    planned(file, f"{SMALL[:-1]}, {LAYERS}}}", "  whole: {model: models/base}\n")
    with opened(file) as project:
        steps = {step.path: step for step in project.steps()}
    forms = ("int8", "int4", "less-50-int8", "less-50-int4")
    assert {edge.role for edge in steps["models/small"].recipe.parents} == {
        *("model", "test"), *forms,
    }  # fmt: skip
    assert "models/base/openvino-int8" in steps
    taught = {e.role: e.parent.path for e in steps["models/small/less-50-taught"].recipe.parents}
    assert taught["teacher"] == "models/base"
    assert str(steps["models/small"].label) == "hr"
    assert str(steps["models/small/less-50-taught"].label) == "open"


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_the_smallest_that_is_good_enough_is_served(file: Path):
    folder = file.parent
    tiny_base(folder / "base")
    file.write_text(FILE.replace(SMALL, f"{SMALL[:-1]}, {LAYERS}}}"))
    with opened(file) as project:
        project.run()
        small = project.artifact(Ref.parse("models/small"))
        told = small.summary
        report = json.loads((project.catalog.load(small.ref).folder / "report.json").read_text())
        forms = {"int8", "int4", "less-50-int8", "less-50-int4"}
        assert {one["form"] for one in report["forms"]} == forms
        sizes = {one["form"]: one["bytes"] for one in report["forms"]}
        assert told["bytes_after"] == sizes[told["form"]] < told["bytes_before"]
        assert told["within"]
        assert report["windows"] == 16
        assert project.ask("small", "What is it?").text
        with pytest.raises(Refused, match="hr"):
            project.ask("small", "What is it?", actor="bo")
        export(project, small.ref, folder / "out", "openvino")
        assert (folder / "out" / "openvino_model.xml").is_file()
        with pytest.raises(BadInput, match="is a form that runs here"):
            export(project, small.ref, folder / "hf")
    check_a_budget_that_is_missed(file)


def check_a_budget_that_is_missed(file: Path) -> None:
    """It says so, keeps the best, and the program ends with 1."""
    file.write_text(FILE.replace("{perplexity: 5%}", "{perplexity: 5%, mb: 0.001}"))
    ran = quickly("run", cwd=file.parent)
    assert ran.returncode == 1
    assert "models/small does not keep to its budget" in ran.stderr
    shown = json.loads(quickly("show", "models/small", "--json", cwd=file.parent).stdout)
    assert not shown["summary"]["within"]
    assert shown["summary"]["form"] in ("int8", "int4")
