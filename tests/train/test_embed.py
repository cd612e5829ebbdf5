"""An embedder learns from documents alone: the same bytes each time, also when it was cut off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inhouse.catalog.rows import write_documents
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.errors import BadInput, MissingExtra
from inhouse.core.label import Label
from inhouse.core.nouns import Document
from inhouse.core.stage import Context, Progress, Result, silent
from inhouse.knowledge.index import sections_of
from inhouse.models import build
from inhouse.models.load import load_embedder
from inhouse.train import embed
from inhouse.train.embed import CHECKPOINT, WEIGHTS, Embed

SPEC = Embed(epochs=6, batch=4, rate=1e-2)
THINGS = ("leave", "travel", "lunch", "desks", "laptops", "phones", "parking", "doors")

train = pytest.mark.train


class CutOffError(Exception):
    """Stands for a process that is killed."""


def opened(folder: Path, ref: str) -> Input:
    artifact = Artifact(
        ref=Ref.parse(ref), recipe="test", code=1, params={}, parents=(), digest="", files={},
        label=Label.OPEN, created=datetime(2026, 1, 1, tzinfo=UTC), actor="test", seconds=0.0,
        summary={"licence": "MIT"},
    )  # fmt: skip
    return Input(artifact, folder)


@pytest.fixture
def inputs(tmp_path: Path, tiny_weights: Path) -> dict[str, Input]:
    folder = tmp_path / "documents"
    folder.mkdir()
    write_documents(folder, (page(thing) for thing in THINGS))
    return {
        "base": opened(tiny_weights, "models/tiny"),
        "data/handbook": opened(folder, "data/handbook"),
    }


def page(thing: str) -> Document:
    text = f"# The {thing}\n\n## Rules\n\nAll {thing} have rules. They are short and few.\n\n"
    text += f"## Who asks about {thing}?\n\nAsk the {thing} desk. It is open at noon.\n"
    return Document(f"{thing}.md", f"The {thing}", text, "0" * 64)


def run(
    inputs: dict[str, Input], work: Path, spec: Embed = SPEC, *, progress: Progress = silent
) -> Result:
    work.mkdir(exist_ok=True)
    return embed.stage(sections_of).run(spec, inputs, Context(work, Actor("ana"), 0, progress))


def stop_after(steps: int) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, unit: str) -> None:
        if done == steps:
            raise CutOffError

    return progress


@train
def test_it_learns_and_says_what_from(inputs: dict[str, Input], tmp_path: Path):
    told = run(inputs, tmp_path / "work").summary
    assert told["steps"] == 24
    assert told["pairs"] == 24 * 4
    assert told["last_loss"] < told["first_loss"]
    assert (told["kind"], told["licence"]) == ("embedder", "MIT")


@train
def test_what_it_makes_is_built_like_pulled_weights(inputs: dict[str, Input], tmp_path: Path):
    run(inputs, tmp_path / "work")
    built = tmp_path / "built"
    built.mkdir()
    weights = opened(tmp_path / "work", "models/house")
    build.run(build.Build("embedder"), {"weights": weights}, Context(built, Actor("ana")))
    assert load_embedder(built).embed(["Who asks about lunch?"]).shape == (1, 16)


@train
def test_the_same_documents_give_the_same_bytes(inputs: dict[str, Input], tmp_path: Path):
    made = [tmp_path / name for name in ("one", "two")]
    for work in made:
        run(inputs, work)
    one, two = ((work / WEIGHTS).read_bytes() for work in made)
    assert one == two
    assert one != (inputs["base"].folder / WEIGHTS).read_bytes()


@train
@pytest.mark.parametrize("steps", [3, 5, 23])
def test_a_run_that_was_cut_off_ends_in_the_same_bytes(
    inputs: dict[str, Input], tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embed, "KEEP_EVERY", 4)
    whole = run(inputs, tmp_path / "whole")
    with pytest.raises(CutOffError):
        run(inputs, tmp_path / "cut", progress=stop_after(steps))
    assert (tmp_path / "cut" / CHECKPOINT).exists() == (steps > 4)
    (tmp_path / "cut" / f"{CHECKPOINT}.part").write_bytes(b"half a checkpoint")
    seen: list[int] = []
    again = run(inputs, tmp_path / "cut", progress=lambda done, *_: seen.append(done))
    assert seen[0] == steps // 4 * 4 + 1
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert again.summary["last_loss"] == whole.summary["last_loss"]
    left = {path.name for path in (tmp_path / "cut").iterdir()} - set(again.scratch)
    assert left == {WEIGHTS, "config.json", "tokenizer.json"}


@train
def test_too_little_text_is_refused(inputs: dict[str, Input], tmp_path: Path):
    folder = inputs["data/handbook"].folder
    write_documents(folder, [Document("one.md", "One", "# One\n\nWord.\n", "0" * 64)])
    with pytest.raises(BadInput, match="too few headings with text under them"):
        run(inputs, tmp_path / "work")


@train
def test_a_base_that_is_no_embedder_is_refused(inputs: dict[str, Input], tmp_path: Path):
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    inputs["base"] = opened(tmp_path / "llama", "models/writer")
    with pytest.raises(BadInput, match="models/writer is no embedder"):
        run(inputs, tmp_path / "work")


def test_without_the_extra_one_sentence_says_what_to_install(
    inputs: dict[str, Input], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embed, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'inhouse\[train\]'"):
        run(inputs, tmp_path / "work")
