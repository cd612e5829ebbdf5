"""The built-in embedder, made once by a project that is kept beside the peers."""

from __future__ import annotations

from pathlib import Path

from bench.harness.peer import PEERS
from inhouse.core.artifact import Ref
from inhouse.project.project import Project

PROJECT = """\
project: bench
data: {page: {from: ./page.md}}
models: {minilm: {from: minilm-l6}}
knowledge: {page: {from: data/page, embed: models/minilm}}
"""


def built_embedder() -> Path:
    """Return the folder of the embedder as it runs."""
    return _made("models/minilm/openvino-f16")


def pulled_embedder() -> Path:
    """Return the folder of its weights as they were fetched."""
    return _made("models/minilm")


def _made(ref: str) -> Path:
    folder = PEERS / "minilm"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.md").write_text("# A page\n\nWith a sentence.\n", encoding="utf-8")
    (folder / "inhouse.yaml").write_text(PROJECT, encoding="utf-8")
    project = Project(folder / "inhouse.yaml", actor="bench")
    try:
        project.run()
        return project.catalog.load(Ref.parse(ref)).folder
    finally:
        project.close()
