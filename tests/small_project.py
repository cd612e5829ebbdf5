"""A project that is made in a second: two data sets behind a wall, a tiny real embedder."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from inhouse.project.project import Project

WORTH_LINKING = 1_000_000  # bytes

PROGRAM = [sys.executable, "-c", "from inhouse.cli import main; main()"]

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["inhouse.project.project", "typer", "rich.table", "rich.tree"])

FILE = """\
project: small
groups:
  buy-side: [ana, bo]
  sell-side: [cy]
walls: [[buy-side, sell-side]]
data:
  handbook: {from: ./docs/handbook}
  memos: {from: ./docs/memos, label: buy-side}
models:
  minilm: {from: "file:WEIGHTS"}
knowledge:
  desk: {from: data/memos, embed: models/minilm}
  all: {from: [data/handbook, data/memos], embed: models/minilm}
endpoints:
  desk:
    model: {api: "http://127.0.0.1:9/v1", name: echo, key: "${SMALL_KEY}"}
    knowledge: knowledge/desk
  open: {model: {api: "http://127.0.0.1:9/v1", name: echo}}
"""

DOCS = {
    "docs/handbook/leave.md": "# Leave\n\n## How long?\n\nThirty days a year.\n",
    "docs/memos/one.md": "# One\n\n## Price\n\nThe price is seven.\n",
    "docs/memos/two.md": "# Two\n\n## Size\n\nThe size is nine.\n",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return folder


def small_project(folder: Path, weights: Path, text: str = FILE) -> Path:
    """Write the project into a folder; return its project file."""
    write(folder, {"inhouse.yaml": text.replace("WEIGHTS", str(weights)), **DOCS})
    return folder / "inhouse.yaml"


@contextmanager
def opened(file: Path, actor: str = "ana") -> Iterator[Project]:
    project = Project(file, actor=actor)
    try:
        yield project
    finally:
        project.close()


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("INHOUSE_")}
    return kept | {"INHOUSE_ACTOR": "ana", "COLUMNS": "200"} | more


def inhouse(
    *words: str, cwd: Path, timeout: float = 60, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the program as a person does; `more` are environment variables."""
    return subprocess.run(
        [*PROGRAM, *words],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def quickly(*words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Do as `inhouse` does, in a process that has what the program needs imported already."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = PROCESSES.Process(
            target=_become, args=(words, cwd, environment(**more), out, err)
        )
        process.start()
        process.join(60)
        code = process.exitcode
        process.kill()
        process.join()
        process.close()
        assert code is not None, words
        return subprocess.CompletedProcess(
            words, code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
        )


def _become(
    words: tuple[str, ...], cwd: Path, environ: Mapping[str, str], out: Path, err: Path
) -> None:
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["inhouse", *words]
    from inhouse.cli import main

    main()


def tiny_encoder(folder: Path, seed: int = 0) -> Path:
    """Write a sentence encoder of one narrow layer, with weights by chance, as safetensors."""
    width, vocabulary = 16, 512
    config = {
        "model_type": "bert",
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "max_position_embeddings": 64,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "pad_token_id": 0,
        "vocab_size": vocabulary,
    }
    chance = np.random.default_rng(seed)
    tensors = {
        name: chance.normal(0, 0.5, shape).astype("<f4")
        for name, shape in _shapes(width, vocabulary).items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(_safetensors(tensors))
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    words = {"[PAD]": 0, "[UNK]": 1} | {chr(i): i for i in range(2, vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _shapes(width: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocabulary, width),
        "embeddings.position_embeddings.weight": (64, width),
        "embeddings.token_type_embeddings.weight": (2, width),
    }
    layer = "encoder.layer.0."
    norms = [
        "embeddings.LayerNorm",
        layer + "attention.output.LayerNorm",
        layer + "output.LayerNorm",
    ]
    for name in norms:
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    linears = {f"attention.self.{part}": (width, width) for part in ("query", "key", "value")} | {
        "attention.output.dense": (width, width),
        "intermediate.dense": (2 * width, width),
        "output.dense": (width, 2 * width),
    }
    for name, shape in linears.items():
        shapes |= {f"{layer}{name}.weight": shape, f"{layer}{name}.bias": shape[:1]}
    return shapes


def _safetensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    header, end = {}, 0
    for name, tensor in tensors.items():
        place = [end, end := end + tensor.nbytes]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": place}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(t.tobytes() for t in tensors.values())


def copied(store: Path, target: Path) -> Path:
    """Copy a store that others may be reading; what SQLite keeps beside its file comes anew.

    Weights are linked: a store never writes into a file that it has published, and two models for
    each test would fill a disk.
    """
    ignored = shutil.ignore_patterns("*-wal", "*-shm", "*.lock")
    return Path(shutil.copytree(store, target, ignore=ignored, copy_function=_linked_or_copied))


def _linked_or_copied(source: str, target: str) -> str:
    if Path(source).stat().st_size > WORTH_LINKING and "folders" in Path(source).parts:
        os.link(source, target)
        return target
    return shutil.copy2(source, target)
