"""Shards of MosaicML's: the same tokens as were written, through any window."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inhouse.core.errors import BadInput
from inhouse.train.mixer import Mixer
from inhouse.train.mosaic import MosaicTokens
from inhouse.train.schedule import Phase, Schedule
from inhouse.train.tokens import About

ABOUT = About("t" * 64, 50_000)
Columns = dict[str, tuple[str, int | None]]
SIZES = (3, 255, 256, 300, 700)
SHAPES = {1: np.uint8, 2: np.uint16}


def write_shards(folder: Path, columns: Columns, shards: Sequence[Sequence[list[bytes]]]) -> None:
    """Write samples, each the bytes of its columns, as the format's own library does."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    names = list(columns)
    kinds, fixed = [columns[n][0] for n in names], [columns[n][1] for n in names]
    about = {"column_encodings": kinds, "column_names": names, "column_sizes": fixed}
    for number, samples in enumerate(shards):
        head = json.dumps(about).encode()
        bodies = []
        for values in samples:
            open_ = [len(v) for v, size in zip(values, fixed, strict=True) if size is None]
            bodies.append(np.array(open_, np.uint32).tobytes() + b"".join(values))
        first = 4 * (2 + len(samples)) + len(head)
        places = first + np.cumsum([0, *map(len, bodies)])
        whole = np.array([len(samples), *places], np.uint32).tobytes() + head + b"".join(bodies)
        name = f"shard.{number:05}.mds"
        (folder / name).write_bytes(whole)
        raw = {"basename": name, "bytes": len(whole), "hashes": {}}
        common = {"compression": None, "format": "mds", "hashes": [], "size_limit": 1 << 26}
        more = {"raw_data": raw, "samples": len(samples), "version": 2, "zip_data": None}
        found.append(about | common | more)
    (folder / "index.json").write_text(json.dumps({"shards": found, "version": 2}))


def shaped(values: np.ndarray) -> bytes:
    """An array of one dimension whose length the column does not fix."""
    width = 1 if len(values) < 256 else 2
    head = bytes([1 << 2 | width - 1]) + np.array([len(values)], SHAPES[width]).tobytes()
    return head + values.tobytes()


def tokens(number: int, size: int, dtype: type) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 49_152, size).astype(dtype)


def written(folder: Path, kind: str) -> np.ndarray:
    """Write 40 samples in three shards; return their tokens one after the other."""
    columns: Columns
    if kind == "fixed":
        columns = {"tokens": ("ndarray:int32:64", 256)}
        values = [tokens(n, 64, np.int32) for n in range(40)]
        samples = [[v.tobytes()] for v in values]
    elif kind == "varied":
        columns = {"tokens": ("ndarray:uint16", None)}
        values = [tokens(n, SIZES[n % 5], np.uint16) for n in range(40)]
        samples = [[shaped(v)] for v in values]
    elif kind == "bytes":
        columns = {"tokens": ("bytes", None)}
        values = [tokens(n, 128, np.int64) for n in range(40)]
        samples = [[v.tobytes()] for v in values]
    else:
        columns = {"id": ("str", None), "input_ids": ("ndarray:int32", None), "n": ("int", 8)}
        values = [tokens(n, 20 + n, np.int32) for n in range(40)]
        samples = [[b"x" * (n % 7), shaped(v), bytes(8)] for n, v in enumerate(values)]
    write_shards(folder, columns, [samples[:7], samples[7:30], samples[30:]])
    return np.concatenate(values)


@pytest.mark.parametrize("kind", ["fixed", "varied", "bytes", "several"])
def test_shards_read_as_one_flat_file(kind: str, tmp_path: Path) -> None:
    wanted = written(tmp_path, kind)
    found = MosaicTokens(tmp_path, ABOUT)
    assert len(found.ids) == found.about.tokens == len(wanted)
    assert np.asarray(found.ids).tolist() == wanted.tolist()
    for first, last in ((0, 1), (63, 65), (100, 900), (len(wanted) - 3, len(wanted) + 9), (5, 5)):
        assert np.asarray(found.ids[first:last]).tolist() == wanted[first:last].tolist()
    assert np.asarray(found.ids[100:500][50:90]).tolist() == wanted[150:190].tolist()
    assert found.about.documents == len(list(found.names())) == 40


def test_shards_mix_like_any_source(tmp_path: Path) -> None:
    wanted = written(tmp_path, "varied")
    found = MosaicTokens(tmp_path, ABOUT)
    mixer = Mixer({"m": found}, Schedule([Phase(64, {"m": 1})]), length=128, batch=64)
    batch = mixer.at(0)
    for row, window in zip(batch.tokens, batch.window.tolist(), strict=True):
        assert row.tolist() == wanted[window * 128 : window * 128 + 128].tolist()
    assert mixer.seen(64)["m"].samples == 64
    again = MosaicTokens(tmp_path, ABOUT)
    assert again.about.fingerprint == found.about.fingerprint


def test_shards_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no index"):
        MosaicTokens(tmp_path, ABOUT)
    written(tmp_path, "fixed")
    shard = tmp_path / "shard.00001.mds"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    with pytest.raises(BadInput, match=r"shard\.00001\.mds has not as many bytes"):
        MosaicTokens(tmp_path, ABOUT)
    shard.unlink()
    index = json.loads((tmp_path / "index.json").read_text())
    index["shards"][1]["zip_data"] = {"basename": "shard.00001.mds.zstd"}
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(BadInput, match=r"shard\.00001\.mds is missing") as missing:
        MosaicTokens(tmp_path, ABOUT)
    assert "Decompress" in missing.value.fix
    write_shards(tmp_path, {"text": ("str", None)}, [[[b"x"]]])
    with pytest.raises(BadInput, match="the columns text, and none of tokens"):
        MosaicTokens(tmp_path, ABOUT)
    write_shards(tmp_path, {"tokens": ("pkl", None)}, [[[b"x"]]])
    with pytest.raises(BadInput, match="keeps its tokens as pkl"):
        MosaicTokens(tmp_path, ABOUT)
    for broken in ("{", "[]", '{"shards": [{}]}'):
        (tmp_path / "index.json").write_text(broken)
        with pytest.raises(BadInput, match="does not describe MDS shards"):
            MosaicTokens(tmp_path, ABOUT)
