"""The stage that brings a LoRA adapter into the house: two files, as PEFT saves them.

It checks that the adapter does nothing but add to weights. Adding it is the business of `adapter`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inhouse.core.artifact import File, digest_of
from inhouse.core.errors import BadInput
from inhouse.core.paths import located
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.weight_files import read_json
from inhouse.models.wheels import sha256_of

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
ADDITIONS = ("use_dora", "fan_in_fan_out", "modules_to_save", "alpha_pattern", "lora_bias")


@dataclass(frozen=True, slots=True)
class Lora:
    """The folder of an adapter and the digest of its files; a relative path starts at `root`."""

    folder: str
    digest: str
    root: str = field(default="", metadata={"identity": False})


def run(spec: Lora, inputs: Inputs, ctx: Context) -> Result:
    """Put the files of the adapter into ``ctx.work`` and describe it.

    Raises:
        BadInput: it is no LoRA adapter, does more than add to weights, or was changed meanwhile.
    """
    source = located(spec.folder, Path(spec.root))
    config = plain_config(source)
    for file in files_of(source):
        shutil.copyfile(file, ctx.work / file.name)
    copies = files_of(ctx.work)
    if digest(copies, [sha256_of(file) for file in copies]) != spec.digest:
        raise BadInput(f"The adapter in {spec.folder} has changed.", "Run again.")
    return Result(
        {"kind": "adapter", "rank": config.get("r"), "alpha": config["lora_alpha"]}
        | {"base": str(config.get("base_model_name_or_path") or "")}
    )


STAGE = Stage("models.lora", 1, run)


def files_of(folder: Path) -> Sequence[Path]:
    """Return the files of the adapter in a folder.

    Raises:
        BadInput: one of them is not there.
    """
    found = [folder / name for name in (CONFIG, WEIGHTS)]
    for file in found:
        if not file.is_file():
            raise BadInput(
                f"{file} is missing.",
                "Name the folder of an adapter that was saved as safetensors.",
            )
    return found


def digest(files: Sequence[Path], digests: Sequence[str]) -> str:
    """Return the digest of an adapter, from those of its files."""
    pairs = zip(files, digests, strict=True)
    return digest_of({file.name: File(sha256, file.stat().st_size) for file, sha256 in pairs})


def plain_config(folder: Path) -> Mapping[str, Any]:
    """Return the configuration of the adapter in a folder.

    Raises:
        BadInput: it is no LoRA adapter, or does more than add to weights.
    """
    config = read_json(folder / CONFIG)
    more = [name for name in ADDITIONS if config.get(name)]
    if config.get("bias", "none") != "none":
        more.append("bias")
    if config.get("peft_type") != "LORA" or more or "lora_alpha" not in config:
        raise BadInput(
            f"The adapter in {folder} is not plain LoRA ({', '.join(more) or 'another type'}).",
            "Train it as LoRA that changes nothing but weights.",
        )
    return config
