"""Takes a model out of the store: a folder that other programs load, with its card and its labels.

Who may read the model may take it along; from then on nobody here guards it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from inhouse.core.artifact import Artifact, Ref
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.models.weight_files import LICENCE, TEXTS
from inhouse.project.learnt import CURVES

if TYPE_CHECKING:
    from inhouse.project.project import Project

Format = Literal["hf", "openvino"]
LABELS, CARD, README = "labels.json", "card.md", "README.md"


@dataclass(frozen=True, slots=True)
class Exported:
    """Where a model lies now: its folder, the version, its label, and how many bytes it takes."""

    folder: Path
    ref: Ref
    label: Label
    bytes: int


def export(project: Project, ref: Ref, folder: Path, format: str = "hf") -> Exported:
    """Write a language model to a folder that is empty or not there yet.

    As ``hf`` it is what transformers loads: an adapter is added to the weights of its base, which
    are then in float32. As ``openvino`` it is what runs here.

    Raises:
        Refused: whoever acts may not read it.
        BadInput: the folder holds something, the format is not known, or it is no such model.
        NotFound: there is no such thing.
        Corrupt: its bytes have changed.
    """
    if format not in get_args(Format):
        known = " and ".join(get_args(Format))
        raise BadInput(f"{format!r} is no format of an export.", f"There are {known}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} holds something already.", "Name a folder that is new or empty.")
    artifact = project.artifact(ref)
    access = project.catalog.access
    access.decide(access.actor(project.actor_name), "read", artifact.ref).require()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that a folder of that name is never half of a model.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        work = Path(scratch) / "model"
        work.mkdir()
        if format == "hf":
            _as_hf(project, artifact, work)
        else:
            _as_openvino(project, artifact, work)
        _describe(project, artifact, work)
        size = sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
        if folder.exists():
            folder.rmdir()
        work.rename(folder)
    return Exported(folder, artifact.ref, artifact.label, size)


def _as_hf(project: Project, artifact: Artifact, work: Path) -> None:
    """Write weights, settings and tokenizer as transformers reads them."""
    from inhouse.models.adapter import merged
    from inhouse.models.weights import open_weights, save_safetensors

    opened = project.catalog.load(artifact.ref)
    source, adapter = _whole(project, artifact), None
    if source.ref != artifact.ref:
        adapter, opened = opened.folder, project.catalog.load(source.ref)
    for name in sorted(source.files):
        if name != README and (name in TEXTS or LICENCE.match(name)):
            _copy(opened.folder / name, work / name)
    shards = [name for name in source.files if name.endswith(".safetensors")]
    if shards and adapter is None:
        for name in shards:
            _copy(opened.folder / name, work / name)
        return
    weights = open_weights(opened.folder)
    save_safetensors(merged(weights, adapter) if adapter else weights, work / "model.safetensors")
    config = {k: v for k, v in weights.config.items() if k != "torch_dtype"} | {"dtype": "float32"}
    _write_json(work / "config.json", config)


def _whole(project: Project, artifact: Artifact) -> Artifact:
    """Return the model whose weights are whole: itself, or what an adapter was trained on."""
    kind = artifact.summary.get("kind")
    if artifact.ref.section == "models" and kind == "language" and "engine" not in artifact.summary:
        if "precision" in artifact.summary:
            raise BadInput(
                f"{artifact.ref.path} is a form that runs here.",
                "Take it along with: --format openvino",
            )
        return artifact
    bases = [edge.parent for edge in artifact.parents if edge.role == "base"]
    if kind != "adapter" or not bases:
        raise BadInput(
            f"{artifact.ref.path} is no language model as a whole.",
            "Name one of the models of the project file.",
        )
    return project.catalog.get(bases[0])


def _as_openvino(project: Project, artifact: Artifact, work: Path) -> None:
    """Copy the form that runs here, as it was built of this very version."""
    if artifact.summary.get("precision") and artifact.ref.section == "models":
        built = artifact
    else:
        # By name as well: the form of another model that was made of this one is a child of both.
        own = f"{artifact.ref.path}/"
        forms = (a for a in project.catalog.list() if a.recipe == "models.build")
        made = [
            form
            for form in forms
            if form.ref.path.startswith(own)
            and any(edge.parent == artifact.ref for edge in form.parents)
        ]
        if not made:
            raise BadInput(
                f"{artifact.ref.path} has not been built for OpenVINO.",
                "Name it at an endpoint and type inhouse run, or leave --format out.",
            )
        built = made[0]
    access = project.catalog.access
    access.decide(access.actor(project.actor_name), "read", built.ref).require()
    folder = project.catalog.load(built.ref).folder
    for name in built.files:
        _copy(folder / name, work / name)


def _describe(project: Project, artifact: Artifact, work: Path) -> None:
    """Write the card, and which labels it and all that it was made of carry."""
    lineage = list(_lineage(project, artifact))
    labels = {
        "ref": artifact.ref.pinned,
        "digest": artifact.digest,
        "label": str(artifact.label),
        "made_from": [{"ref": one.ref.pinned, "label": str(one.label)} for one in lineage],
    }
    _write_json(work / LABELS, labels)
    # Which documents were seen stays here: their names are nobody else's business.
    folder = project.catalog.load(artifact.ref).folder
    if CURVES in artifact.files:
        _copy(folder / CURVES, work / CURVES)
    if CARD in artifact.files:
        text = (folder / CARD).read_text(encoding="utf-8")
    else:
        licence = artifact.summary.get("licence") or "not known"
        text = f"# {artifact.ref.path}\n\nVersion `{artifact.ref.pinned}`, licence: {licence}.\n"
    (work / README).write_text(text, encoding="utf-8", newline="\n")


def _lineage(project: Project, artifact: Artifact) -> list[Artifact]:
    """Return all that an artifact was made of, each once, what is nearest first."""
    found: dict[str, Artifact] = {}
    waiting = [edge.parent for edge in artifact.parents]
    while waiting:
        ref = waiting.pop(0)
        if ref.pinned not in found:
            parent = found[ref.pinned] = project.catalog.get(ref)
            waiting += [edge.parent for edge in parent.parents]
    return list(found.values())


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
