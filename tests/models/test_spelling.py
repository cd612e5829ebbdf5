"""A model is served with the tokenizer and the chat template that it learnt with, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from inhouse.core.access import Actor
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context
from inhouse.models import build, ready
from inhouse.models.spelling import check_spelling, spelling_of
from models.conftest import as_input
from models.test_adapter import made

TEXTS = {
    "tokenizer.json": "{}",
    "tokenizer_config.json": '{"eos_token": "<end>", "model_max_length": 9}',
    "chat_template.jinja": "{{ messages }}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def learnt(folder: Path) -> Input:
    found = as_input(folder)
    summary = asdict(spelling_of(folder))
    return replace(found, artifact=replace(found.artifact, summary=summary))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("tokenizer.json", '{"a": 1}', "another tokenizer"),
        ("tokenizer_config.json", '{"eos_token": "</s>"}', "another tokenizer"),
        ("chat_template.jinja", "", "another chat template"),
    ],
)
def test_another_spelling_is_refused(folder: Path, name: str, text: str, said: str) -> None:
    model = learnt(folder).artifact
    check_spelling(model, folder)
    (folder / name).write_text(text)
    with pytest.raises(BadInput, match=said):
        check_spelling(model, folder)


def test_what_changes_no_token_changes_no_spelling(folder: Path) -> None:
    model = learnt(folder).artifact
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<end>"}')
    check_spelling(model, folder)
    check_spelling(replace(model, summary={"licence": "MIT"}), folder)


@pytest.mark.train
def test_an_adapter_is_added_only_where_it_learnt(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    weights = tiny("Llama")
    adapter = made(tmp_path / "adapter", weights)
    for name in TEXTS:
        if (weights / name).is_file():
            (adapter / name).write_bytes((weights / name).read_bytes())
    known = learnt(adapter)
    (weights / "chat_template.jinja").write_text("{{ messages | tojson }}")
    inputs = {"weights": as_input(weights), "adapter": known}
    for stage, spec in ((build, build.Build()), (ready, ready.Ready("transformers"))):
        work = tmp_path / stage.__name__
        work.mkdir()
        with pytest.raises(BadInput, match="learnt with another chat template"):
            stage.run(spec, inputs, Context(work, Actor("test")))  # type: ignore[attr-defined]
