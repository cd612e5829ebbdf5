"""Real models, made by the product's own stages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inhouse.catalog import Catalog
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label
from inhouse.core.stage import Context
from inhouse.models import build, pull
from inhouse.models.language import LocalModel
from inhouse.models.load import load_language
from inhouse.models.weight_files import read_json


def as_input(folder: Path) -> Input:
    """Present a folder the way the catalog does."""
    artifact = Artifact(
        ref=Ref("models", "test", "0" * 64),
        recipe="test",
        code=1,
        params={},
        parents=(),
        digest="0" * 64,
        files={},
        label=Label.OPEN,
        created=datetime.now(UTC),
        actor="test",
        seconds=0.0,
        summary={},
    )
    return Input(artifact, folder)


def run_build(source: Path, work: Path, precision: str = "int8") -> dict[str, object]:
    """Build the pulled model in `source` into `work` and return the summary."""
    work.mkdir(parents=True, exist_ok=True)
    kind = pull.kind_of(read_json(source / "config.json"))
    spec = build.Build(kind, precision)  # type: ignore[arg-type]
    context = Context(work, Actor("test"))
    return dict(build.run(spec, {"weights": as_input(source)}, context).summary)


def run_pull(spec: pull.Pull, work: Path) -> dict[str, object]:
    """Pull into `work` and return the summary."""
    work.mkdir(parents=True, exist_ok=True)
    return dict(pull.run(spec, {}, Context(work, Actor("test"))).summary)


def pulled(store: Path, ref: str) -> Path:
    """Return the folder of a model in the store that all rooms share."""
    catalog = Catalog(store / ".inhouse")
    try:
        return catalog.load(Ref.parse(ref)).folder
    finally:
        catalog.close()


@pytest.fixture(scope="session")
def language_weights(weights_store: Path) -> Path:
    """The built-in language model as pulled."""
    return pulled(weights_store, "models/base")


@pytest.fixture(scope="session")
def embedder_weights(weights_store: Path) -> Path:
    """The built-in embedder as pulled."""
    return pulled(weights_store, "models/minilm")


@pytest.fixture(scope="session")
def smollm_f32(tmp_path_factory: pytest.TempPathFactory, language_weights: Path) -> Path:
    """The built-in language model, built in float32."""
    folder = tmp_path_factory.mktemp("f32")
    run_build(language_weights, folder, "f32")
    return folder


@pytest.fixture(scope="session")
def int8_model(smollm_folder: Path) -> Iterator[LocalModel]:
    """The built-in language model as it is served."""
    model = load_language(smollm_folder, name="smol", threads=2)
    yield model
    asyncio.run(model.close())


@pytest.fixture(scope="session")
def exact_model(smollm_f32: Path) -> Iterator[LocalModel]:
    """The built-in language model in float32 throughout."""
    model = load_language(smollm_f32, name="smol", exact=True, threads=2)
    yield model
    asyncio.run(model.close())


@pytest.fixture(scope="session")
def reference_model(language_weights: Path) -> Iterator[LocalModel]:
    """The built-in language model on transformers."""
    pytest.importorskip("transformers")
    model = load_language(language_weights, name="smol", engine="transformers", threads=2)
    yield model
    asyncio.run(model.close())
