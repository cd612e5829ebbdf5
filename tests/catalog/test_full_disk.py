"""A full disk is a sentence; the store stays valid, and works again once there is room."""

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from catalog.making import Text, assert_sound, make, opened, run_all
from inhouse.core.artifact import Ref
from inhouse.core.errors import StoreError
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage

ROOM = 4 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux":
        pytest.skip("mounts a small disk in memory, as Linux does")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(file: Path) -> None:
    with file.open("ab", buffering=0) as out:
        try:
            while True:
                out.write(bytes(1 << 12))
        except OSError as error:
            assert error.errno == errno.ENOSPC


def big(spec: Text, inputs: Inputs, ctx: Context) -> Result:
    (ctx.work / "big").write_bytes(spec.text.encode() * 100_000)
    return Result()


def weights(spec: Text, inputs: Inputs, ctx: Context) -> Result:
    tensor = np.zeros(len(spec.text) * 100_000, np.uint8)
    save_file({"weights": tensor}, ctx.work / "model.safetensors")
    return Result()


def small_but_then_full(spec: Text, inputs: Inputs, ctx: Context) -> Result:
    (ctx.work / "small").write_text(spec.text)
    if spec.count:
        fill(Path(spec.count))
    return Result({"long": "x" * 300_000})


@pytest.mark.parametrize("run", [big, weights, small_but_then_full])
def test_a_full_disk(small_disk: Path, run):
    root, filler = small_disk / "store", small_disk / "filler"
    with opened(root) as catalog:
        make(catalog, "data/before")
        if run is not small_but_then_full:
            filler.write_bytes(bytes(ROOM - (600 << 10)))
        spec = Text("0123456789", count=str(filler))
        wanted = Recipe(Ref("models", "m"), Stage("fill", 1, run), spec)
        with pytest.raises(StoreError, match=r"full|[Nn]o space") as caught:
            catalog.make(wanted, by="ana")
        assert "space" in caught.value.fix
        assert not catalog.made(wanted.version)
        assert catalog.find(Ref("models", "m")) is None
        filler.unlink()
        wanted = Recipe(wanted.ref, wanted.stage, Text("0123456789"))
        assert catalog.make(wanted, by="ana").fresh
    assert_sound(root)


def test_no_room_for_a_new_store(small_disk: Path):
    fill(small_disk / "filler")
    with pytest.raises(StoreError), opened(small_disk / "store"):
        pass
    (small_disk / "filler").unlink()
    with opened(small_disk / "store") as catalog:
        make(catalog, "data/a")


def limited(root: Path) -> None:
    import resource

    with opened(root) as catalog:
        make(catalog, "data/before")
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
        wanted = Recipe(Ref("models", "m"), Stage("fill", 1, big), Text("0123456789"))
        with pytest.raises(StoreError, match="too large"):
            catalog.make(wanted, by="ana")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert catalog.make(wanted, by="ana").fresh


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes there")
def test_a_quota(root: Path):
    run_all(limited, [(root,)])
    assert_sound(root)
