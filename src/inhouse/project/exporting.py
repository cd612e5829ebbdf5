"""Takes a model out of the store: a folder that other programs load, with its card and its labels.

Who may read the model may take it along; from then on nobody here guards it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from inhouse.core.artifact import Artifact, Ref
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.models.spelling import check_spelling
from inhouse.models.weight_files import LICENCE, POOLING, TEXTS
from inhouse.project.learnt import CURVES
from inhouse.project.schema import Model
from inhouse.project.train_steps import ADAPTER

if TYPE_CHECKING:
    from inhouse.models.weights import Weights
    from inhouse.project.project import Project

Format = Literal["hf", "openvino", "gguf", "onnx"]
LABELS, CARD, README = "labels.json", "card.md", "README.md"


@dataclass(frozen=True, slots=True)
class Exported:
    """Where a model lies now: its folder, the version, its label, and how many bytes it takes."""

    folder: Path
    ref: Ref
    label: Label
    bytes: int


def export(
    project: Project, ref: Ref, folder: Path, format: str = "hf", precision: str | None = None
) -> Exported:
    """Write a model to a folder that is empty or not there yet.

    As ``hf`` a language model is what transformers loads: an adapter is added to the weights of
    its base, which are then in float32. As ``gguf`` it is one file for llama.cpp, its matrices kept
    as `precision` says: f16, f32 or q8_0; without it f16, or as they came if they came as GGUF. As
    ``onnx`` an embedder or a trained classifier is what ONNX Runtime loads. As ``openvino`` each
    of them is what runs here.

    Raises:
        Refused: whoever acts may not read it.
        BadInput: the folder holds something, format or precision is not known, or it is a model of
            another kind.
        NotFound: there is no such thing.
        Corrupt: its bytes have changed.
        MissingExtra: what writes the format is not installed.
    """
    _check(format, precision, folder)
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
        elif format == "gguf":
            _as_gguf(project, artifact, work, precision)
        elif format == "onnx":
            _as_onnx(project, artifact, work)
        else:
            _as_openvino(project, artifact, work)
        _describe(project, artifact, work)
        size = sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
        if folder.exists():
            folder.rmdir()
        work.rename(folder)
    return Exported(folder, artifact.ref, artifact.label, size)


def _check(format: str, precision: str | None, folder: Path) -> None:
    if format not in get_args(Format):
        known = ", ".join(get_args(Format))
        raise BadInput(f"{format!r} is no format of an export.", f"There are {known}.")
    if precision is not None:
        from inhouse.models.gguf_writer import Kept

        if format != "gguf":
            raise BadInput(
                f"A precision changes nothing in the format {format}.",
                "Leave --precision out, or write --format gguf.",
            )
        if precision not in get_args(Kept):
            known = ", ".join(get_args(Kept))
            raise BadInput(f"{precision!r} is no precision of a GGUF file.", f"Use {known}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} holds something already.", "Name a folder that is new or empty.")


@dataclass(frozen=True, slots=True)
class _Opened:
    """The files of a model whose weights are whole, and an adapter to add to them, if any."""

    files: Iterable[str]
    folder: Path
    adapter: Path | None

    def weights(self) -> Weights:
        from inhouse.models.adapter import merged
        from inhouse.models.weights import open_weights

        found = open_weights(self.folder)
        return merged(found, self.adapter) if self.adapter else found

    def copy(self, work: Path) -> None:
        """Copy what lies beside the weights."""
        for name in sorted(self.files):
            if name != README and (name in TEXTS or LICENCE.match(name) or POOLING.match(name)):
                _copy(self.folder / name, work / name)


def _opened(project: Project, artifact: Artifact) -> _Opened:
    folder, source = project.catalog.load(artifact.ref).folder, _whole(project, artifact)
    if source.ref == artifact.ref:
        return _Opened(source.files, folder, _given(project, artifact.ref))
    weights = project.catalog.load(source.ref).folder
    check_spelling(artifact, weights)
    return _Opened(source.files, weights, folder)


def _given(project: Project, ref: Ref) -> Path | None:
    """Return the adapter that the project file adds to a pulled model, if any."""
    entry = project.config.models.get(ref.name)
    if not isinstance(entry, Model) or not entry.adapter:
        return None
    adapter, access = Ref("models", f"{ref.name}/{ADAPTER}"), project.catalog.access
    found = project.artifact(adapter)
    access.decide(access.actor(project.actor_name), "read", found.ref).require()
    return project.catalog.load(found.ref).folder


def _as_hf(project: Project, artifact: Artifact, work: Path) -> None:
    """Write weights, settings and tokenizer as transformers reads them."""
    from inhouse.models.weights import save_safetensors

    opened = _opened(project, artifact)
    opened.copy(work)
    shards = [name for name in opened.files if name.endswith(".safetensors")]
    if shards and opened.adapter is None:
        for name in shards:
            _copy(opened.folder / name, work / name)
        return
    weights = opened.weights()
    save_safetensors(weights, work / "model.safetensors")
    config = {k: v for k, v in weights.config.items() if k != "torch_dtype"} | {"dtype": "float32"}
    _write_json(work / "config.json", config)


def _as_gguf(project: Project, artifact: Artifact, work: Path, precision: str | None) -> None:
    """Write one file that holds weights, tokenizer and chat template."""
    from inhouse.models.gguf_writer import Kept, write_gguf
    from inhouse.models.ready import GGUF

    opened = _opened(project, artifact)
    for name in filter(LICENCE.match, opened.files):
        _copy(opened.folder / name, work / name)
    if precision is None and opened.adapter is None and GGUF in opened.files:
        _copy(opened.folder / GGUF, work / GGUF)
        return
    write_gguf(
        opened.weights(),
        opened.folder,
        work / GGUF,
        kept=cast(Kept, precision or "f16"),
        name=artifact.ref.name,
        licence=str(artifact.summary.get("licence") or ""),
    )


def _as_onnx(project: Project, artifact: Artifact, work: Path) -> None:
    """Write the graph with its weights, and the tokenizer as it is to be used."""
    from inhouse.models import heads
    from inhouse.models.chat_format import load_tokenizer
    from inhouse.models.onnx_encoder import write_onnx
    from inhouse.models.pull import context_tokens
    from inhouse.models.weights import open_weights

    kind = artifact.summary.get("kind")
    if kind not in ("embedder", "classifier") or "architecture" not in artifact.summary:
        raise BadInput(
            f"{artifact.ref.path} is no embedder, and no classifier with an encoder.",
            "Name one, or take a language model along with --format gguf.",
        )
    folder = project.catalog.load(artifact.ref).folder
    weights = open_weights(folder)
    is_classifier = kind == "classifier"
    width = weights.config["hidden_size"]
    head = heads.load(folder, width).linear if is_classifier else None
    write_onnx(weights, work / "model.onnx", head)
    tokenizer = load_tokenizer(folder)
    tokenizer.enable_truncation(context_tokens(folder, weights.config))
    tokenizer.save(str(work / "tokenizer.json"))
    beside = ("config.json", "tokenizer_config.json", *([heads.CLASSES] if is_classifier else []))
    for name in artifact.files:
        if name in beside or LICENCE.match(name):
            _copy(folder / name, work / name)


def _whole(project: Project, artifact: Artifact) -> Artifact:
    """Return the model whose weights are whole: itself, or what an adapter was trained on."""
    kind, plain = artifact.summary.get("kind"), "engine" not in artifact.summary
    if artifact.ref.section == "models" and kind in ("language", "embedder") and plain:
        if "precision" in artifact.summary:
            found = (edge.parent for edge in artifact.parents if edge.parent.section == "models")
            made_of = {"/".join(one.path.split("/")[:2]) for one in found}
            others = f", or take along {' or '.join(sorted(made_of))}" if made_of else ""
            raise BadInput(
                f"{artifact.ref.path} is a form that runs here.",
                f"Take it along with --format openvino{others}.",
            )
        return artifact
    bases = [edge.parent for edge in artifact.parents if edge.role == "base"]
    if kind != "adapter" or not bases:
        raise BadInput(
            f"{artifact.ref.path} is no language model as a whole, and no embedder.",
            "Name one of the models of the project file, or --format onnx for a classifier.",
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
        # Where a model was made small there are several: what answers comes first.
        serving = [project.catalog.get(ref) for ref in project.catalog.heads("endpoints")]
        asked = {edge.parent for endpoint in serving for edge in endpoint.parents}
        built = max(made, key=lambda form: (form.ref in asked, form.summary["precision"] != "f16"))
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
