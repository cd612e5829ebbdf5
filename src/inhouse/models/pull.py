"""The stage that brings a model into the house: weights from a source, in one layout.

The result has ``model.gguf`` or ``model*.safetensors``, with ``config.json``, ``tokenizer.json``
and, for a model that chats, ``chat_template.jinja``, whatever the source looked like. It makes
nothing runnable; `build` does.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.builtin import Kind, builtin
from inhouse.models.sources import fetch, parse_source
from inhouse.models.weight_files import read_json

COMMIT = re.compile(r"[0-9a-f]{40}\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
EMBEDDERS = frozenset({"bert"})


@dataclass(frozen=True, slots=True)
class Pull:
    """Where a model comes from, the sha256 that pins it, and its licence (an SPDX name).

    A relative path in a ``file:`` URL starts at `root`.
    """

    url: str
    sha256: str | None = None
    licence: str = ""
    root: str = field(default="", metadata={"identity": False})

    def __post_init__(self) -> None:
        source = parse_source(self.url)
        if source.scheme == "hf" and not self.sha256 and not COMMIT.match(source.version):
            raise BadInput(
                f"{self.url} names a tag or a branch, which may come to mean other weights.",
                "Write the commit hash behind the @, or pin the files with sha256.",
            )
        if self.sha256 is not None and not SHA256.match(self.sha256):
            raise BadInput(f"{self.sha256!r} is not a sha256.", "Give 64 lower-case hex digits.")

    @classmethod
    def named(cls, name: str) -> Pull:
        """Return the spec of a built-in model.

        Raises:
            NotFound: there is none of that name.
        """
        found = builtin(name)
        return cls(found.url, found.sha256, found.licence)


def run(spec: Pull, inputs: Inputs, ctx: Context) -> Result:
    """Fetch the model into ``ctx.work``, check it and describe it.

    Raises:
        BadInput: there are no usable weights, or what belongs to them is missing.
        BadInput: the bytes do not match the pin.
        ProviderError: the source cannot be reached.
    """
    from inhouse.models.weights import open_weights

    for left in ctx.work.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    seen = fetch(
        spec.url, ctx.work, sha256=spec.sha256, root=Path(spec.root), progress=ctx.progress
    )
    is_gguf = (ctx.work / "model.gguf").is_file()
    licence = _describe_gguf(ctx.work) if is_gguf else _describe_safetensors(ctx.work)
    weights = open_weights(ctx.work)
    kind = kind_of(weights.config)
    return Result(
        {
            "kind": kind,
            "format": "gguf" if is_gguf else "safetensors",
            "architecture": weights.config["model_type"],
            "parameters": weights.parameters,
            "licence": spec.licence or licence,
            "context_tokens": context_tokens(ctx.work, weights.config),
            "sha256": seen,
        }
    )


STAGE = Stage("models.pull", 1, run)


def kind_of(config: Mapping[str, Any]) -> Kind:
    """Say what a model is for, going by its configuration."""
    return "embedder" if config.get("model_type") in EMBEDDERS else "language"


def context_tokens(folder: Path, config: Mapping[str, Any]) -> int:
    """Return how many tokens a model reads at most, its embedding settings included.

    Raises:
        BadInput: the configuration does not say.
    """
    limit = config.get("max_position_embeddings")
    if not isinstance(limit, int):
        raise BadInput("config.json does not say max_position_embeddings.", "Pull it again.")
    sentences = folder / "sentence_bert_config.json"
    asked = read_json(sentences).get("max_seq_length") if sentences.is_file() else None
    return min(asked, limit) if isinstance(asked, int) else limit


def _describe_gguf(folder: Path) -> str:
    """Write beside a GGUF file what it says about itself; return its licence."""
    import orjson

    from inhouse.models.gguf_file import GgufFile
    from inhouse.models.gguf_tokenizer import write_tokenizer
    from inhouse.models.weights import gguf_config

    file = GgufFile(folder / "model.gguf")
    write_tokenizer(file, folder)
    config = orjson.dumps(gguf_config(file), option=orjson.OPT_INDENT_2)
    (folder / "config.json").write_bytes(config)
    return str(file.metadata.get("general.license", ""))


def _describe_safetensors(folder: Path) -> str:
    """Check what must lie beside safetensors, put the chat template into its own file."""
    if not isinstance(read_json(folder / "config.json").get("model_type"), str):
        raise BadInput("config.json does not say model_type.", "Pull another model.")
    if not (folder / "tokenizer.json").is_file():
        raise BadInput(
            "The source has no tokenizer.json.",
            "Save its tokenizer in the fast form, which writes tokenizer.json.",
        )
    settings = folder / "tokenizer_config.json"
    template = read_json(settings).get("chat_template") if settings.is_file() else None
    if isinstance(template, list):
        named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict)}
        template = named.get("default")
    if isinstance(template, str) and not (folder / "chat_template.jinja").is_file():
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    found = re.search(r"\A---\n.*?^license: *(\S+)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""
