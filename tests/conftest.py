"""What tests of several rooms share: projects and models that are made once in a session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from bench.harness.llama_server import FOLDER
from filelock import FileLock
from hypothesis import settings
from small_project import opened, small_project, tiny_encoder, write

from inhouse.catalog import Catalog
from inhouse.core.artifact import Ref
from inhouse.models.llama_engine import PROGRAM, VARIABLE

# Tests run side by side, a process for each processor: more threads of torch would only wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LLAMA_SERVER = FOLDER / PROGRAM

# How fast a machine is says nothing about what is tested.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

WEIGHTS = """\
project: weights
data: {docs: {from: ./docs}}
models:
  base: {from: smollm2-135m-instruct}
  minilm: {from: minilm-l6}
knowledge: {docs: {from: data/docs, embed: models/minilm}}
endpoints: {page: {model: models/base, knowledge: knowledge/docs}}
"""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this session share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def weights_store(shared: Path) -> Path:
    """A project folder with both built-in models, pulled and built.

    The folder that INHOUSE_TEST_CACHE names keeps it from one session to the next.
    """
    kept = os.environ.get("INHOUSE_TEST_CACHE")
    folder = Path(kept or shared, "weights")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        write(folder, {"inhouse.yaml": WEIGHTS, "docs/page.md": "# A page\n\nWith a sentence.\n"})
        with opened(folder / "inhouse.yaml") as project:
            project.run()
    return folder


@pytest.fixture(scope="session")
def minilm_folder(weights_store: Path) -> Path:
    """The built embedder."""
    return _built(weights_store, "models/minilm/openvino-f16")


@pytest.fixture(scope="session")
def smollm_folder(weights_store: Path) -> Path:
    """The built language model."""
    return _built(weights_store, "models/base/openvino-int8")


def _built(store: Path, ref: str) -> Path:
    catalog = Catalog(store / ".inhouse")
    try:
        return catalog.load(Ref.parse(ref)).folder
    finally:
        catalog.close()


@pytest.fixture(scope="session")
def llama_program() -> Path:
    """A llama-server: one that is on this machine, or the one that the benchmarks have built."""
    named = os.environ.get(VARIABLE) or shutil.which(PROGRAM) or LLAMA_SERVER
    if not Path(named).is_file():
        pytest.skip(f"no {PROGRAM}: it is neither on PATH nor in {VARIABLE}, and no bench made it")
    return Path(named)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny sentence encoder, to be pulled and built."""
    return tiny_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """The folder of the small project after a run; `made` gives a test its own."""
    folder = tmp_path_factory.mktemp("made") / "project"
    with opened(small_project(folder, tiny_weights)) as project:
        project.run()
    return folder


@pytest.fixture
def file(tmp_path: Path, tiny_weights: Path) -> Path:
    """The file of a small project that was never run."""
    return small_project(tmp_path / "project", tiny_weights)


@pytest.fixture
def made(tmp_path: Path, made_once: Path) -> Path:
    """The file of a small project that was run."""
    return Path(shutil.copytree(made_once, tmp_path / "project"), "inhouse.yaml")
