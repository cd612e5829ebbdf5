"""Real models, made by the product's own stages."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bench.harness.gguf_files import rewrite
from filelock import FileLock

from inhouse.catalog import Catalog
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label
from inhouse.core.stage import Context
from inhouse.models import build, pull, ready
from inhouse.models.language import LocalModel
from inhouse.models.llama_engine import VARIABLE
from inhouse.models.load import load_language
from inhouse.models.weight_files import read_json
from models.test_text_stream import byte_tokenizer

SIZES = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "eos_token_id": 255,
    "bos_token_id": None,
    "initializer_range": 0.2,
}


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


def run_build(
    source: Path, work: Path, precision: str = "int8", adapter: Path | None = None
) -> dict[str, object]:
    """Build the pulled model in `source` into `work` and return the summary."""
    work.mkdir(parents=True, exist_ok=True)
    kind = pull.kind_of(read_json(source / "config.json"))
    spec = build.Build(kind, precision)  # type: ignore[arg-type]
    context = Context(work, Actor("test"))
    inputs = {"weights": as_input(source)} | ({"adapter": as_input(adapter)} if adapter else {})
    return dict(build.run(spec, inputs, context).summary)


def run_ready(
    source: Path, work: Path, engine: ready.EngineName, adapter: Path | None = None
) -> None:
    """Ready the pulled model in `source` for an engine in `work`."""
    work.mkdir(parents=True, exist_ok=True)
    inputs = {"weights": as_input(source)} | ({"adapter": as_input(adapter)} if adapter else {})
    ready.run(ready.Ready(engine), inputs, Context(work, Actor("test")))


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
def smollm_f32(shared: Path, language_weights: Path) -> Path:
    """The built-in language model, built in float32."""
    folder = shared / "f32"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            run_build(language_weights, folder.with_suffix(".part"), "f32")
            folder.with_suffix(".part").rename(folder)
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
    model = load_language(language_weights, name="smol", engine="transformers", threads=1)
    yield model
    asyncio.run(model.close())


@pytest.fixture(scope="session")
def llama_f32(shared: Path, language_weights: Path) -> Path:
    """The built-in language model as pulled, its GGUF file in float32."""
    folder = shared / "llama-f32"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            part = folder.with_suffix(".part")
            part.mkdir(exist_ok=True)
            for file in language_weights.iterdir():
                if file.name != "model.gguf":
                    shutil.copyfile(file, part / file.name)
            rewrite(language_weights / "model.gguf", part / "model.gguf", "F32")
            part.rename(folder)
    return folder


@pytest.fixture(scope="session")
def llama_model(llama_program: Path, llama_f32: Path) -> Iterator[LocalModel]:
    """The built-in language model in float32 on llama-server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(llama_program))
        model = load_language(
            # One thread: several wait for each other at each step, on a busy machine for long.
            llama_f32,
            name="smol",
            engine="llama",
            exact=True,
            threads=1,
            cache_gib=1.5,
        )
    yield model
    asyncio.run(model.close())


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Path]:
    """Make a random model of a family and pull it from its folder."""

    def make(family: str, **change: Any) -> Path:
        transformers = pytest.importorskip("transformers")
        import torch

        torch.manual_seed(11)
        config = getattr(transformers, f"{family}Config")(**(SIZES | change))
        model = getattr(transformers, f"{family}ForCausalLM")(config)
        for name, value in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                torch.nn.init.normal_(value, 1.0, 0.2)
        source = tmp_path / "source"
        model.to(torch.bfloat16).save_pretrained(source)
        byte_tokenizer().save(str(source / "tokenizer.json"))
        (source / "chat_template.jinja").write_text("{{ messages[0].content }}")
        run_pull(pull.Pull(f"file:{source}"), tmp_path / "pulled")
        return tmp_path / "pulled"

    return make
