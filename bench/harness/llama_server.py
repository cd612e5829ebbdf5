"""llama.cpp's server, built on demand from the source that a package of the index carries."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from bench.harness.peer import PEERS, Unavailable, pip

PACKAGE = "llama-cpp-python==0.3.36"
TITLE = "llama-server of llama-cpp-python 0.3.36"
FOLDER = PEERS / "llama-server"
OFF = ("TESTS", "EXAMPLES", "APP", "UI")
SETTINGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DBUILD_SHARED_LIBS=OFF",
    *(f"-DLLAMA_BUILD_{part}=OFF" for part in OFF),
)
SECONDS = 3600


def llama_server() -> Path | None:
    """Return the program, building it if need be: minutes, once. None if it cannot be had."""
    program, marker = FOLDER / "llama-server", FOLDER / "installed.txt"
    if program.is_file() and marker.is_file() and marker.read_text() == PACKAGE:
        return program
    try:
        _build(program)
    except Unavailable as cause:
        print(f"llama-server is unavailable: {cause}", file=sys.stderr)
        return None
    marker.write_text(PACKAGE)
    return program


def _build(program: Path) -> None:
    """Fetch the source and build the server.

    Raises:
        Unavailable: the index did not answer, there is no compiler, or it failed.
    """
    if not shutil.which("cmake"):
        raise Unavailable("there is no cmake to build it with")
    print("building llama-server, which takes minutes", file=sys.stderr)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PEERS, prefix="llama-") as name:
        folder = Path(name)
        pip("download", "--no-deps", "--no-binary", ":all:", "--dest", name, PACKAGE)
        (archive,) = folder.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        (source,) = folder.glob("*/vendor/llama.cpp")
        build = folder / "build"
        _cmake("-S", str(source), "-B", str(build), *SETTINGS)
        _cmake("--build", str(build), "--target", "llama-server", "--parallel", "3")
        shutil.copy(build / "bin" / "llama-server", program)


def _cmake(*words: str) -> None:
    try:
        done = subprocess.run(
            ["cmake", *words], capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"cmake took more than {SECONDS} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"cmake failed: {said[-1] if said else done.returncode}")
