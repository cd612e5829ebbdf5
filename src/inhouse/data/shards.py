"""The stage that takes shards of tokens (MosaicML's MDS) into the store, as they are.

Which tokenizer made them they do not say; reading them is the business of `inhouse.train`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from inhouse.core.errors import BadInput, UserError
from inhouse.core.stage import Context, Inputs, Result, Stage

INDEX, ENDING = "index.json", ".mds"
PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Shards:
    """The files of a folder: name and sha256 of each; `root` is where they lie.

    Nobody who does not know the `salt` can tell from a version whether it holds what they guess.
    """

    files: tuple[tuple[str, str], ...]
    root: str = field(metadata={"identity": False})
    salt: str = ""


def files_in(folder: Path) -> list[Path]:
    """Return the index of a folder of shards, and the shards.

    Raises:
        BadInput: there is no index, or a shard that it names is not there, or cut off.
    """
    found = [folder / INDEX]
    for listed in _listed(folder):
        file = folder / listed.name
        if not file.is_file():
            packed = f"Decompress {listed.packed} beside it." if listed.packed else ""
            raise BadInput(f"{file} is missing.", packed or "Fetch it again.")
        if file.stat().st_size != listed.bytes:
            raise BadInput(f"{file} has not as many bytes as {INDEX} says.", "Fetch it again.")
        found.append(file)
    return found


class _Listed(NamedTuple):
    name: str
    packed: str
    bytes: int
    samples: int


def _listed(folder: Path) -> list[_Listed]:
    file = folder / INDEX
    try:
        found = [
            _Listed(
                Path(shard["raw_data"]["basename"]).name,
                (shard.get("zip_data") or {"basename": ""})["basename"],
                int(shard["raw_data"]["bytes"]),
                int(shard["samples"]),
            )
            for shard in json.loads(file.read_bytes())["shards"]
        ]
    except OSError as error:
        raise BadInput(
            f"{folder} holds no {INDEX} that can be read.", "Name a folder of MDS shards."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{file} describes no MDS shards: {error!r}.", "Fetch it again.") from error
    if len({one.name for one in found}) < len(found) or INDEX in {one.name for one in found}:
        raise BadInput(f"{file} names a file twice.", "Fetch it again.")
    return found


def run(spec: Shards, inputs: Inputs, ctx: Context) -> Result:
    """Copy the files.

    Raises:
        UserError: one is not what it was when this was planned.
    """
    for done, (name, digest) in enumerate(spec.files, 1):
        file = Path(spec.root) / name
        hashed = hashlib.sha256()
        try:
            with file.open("rb") as opened, (ctx.work / name).open("wb") as out:
                while piece := opened.read(PIECE):
                    hashed.update(piece)
                    out.write(piece)
        except OSError as error:
            raise UserError(f"{file} cannot be read any more.", "Run it again.") from error
        if hashed.hexdigest() != digest:
            raise UserError(f"{file} changed while it was read.", "Run it again.")
        ctx.progress(done, len(spec.files), "files")
    samples = sum(listed.samples for listed in _listed(ctx.work))
    return Result({"kind": "shards of tokens", "samples": samples, "shards": len(spec.files) - 1})


STAGE = Stage("data.shards", 1, run)
