"""Loads what `build` made: the one place that knows which engine runs what."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from inhouse.core.errors import BadInput
from inhouse.models import machine
from inhouse.models.build import MODEL
from inhouse.models.embedder import LocalEmbedder
from inhouse.models.language import LocalModel
from inhouse.models.weight_files import read_json

EngineName = Literal["openvino", "transformers"]


def load_language(
    folder: Path,
    *,
    name: str,
    engine: EngineName = "openvino",
    exact: bool = False,
    threads: int = 0,
    cache_gib: float | None = None,
) -> LocalModel:
    """Load a language model.

    Args:
        folder: what `build` made, or for ``transformers`` what `pull` made.
        name: what it is called in responses.
        engine: ``transformers`` is the slow reference and needs the extra ``train``.
        exact: compute in float32 throughout, to compare engines.
        threads: CPU threads, 0 for what the machine and its container allow.
        cache_gib: memory for the tokens of all running conversations, in GiB; None for a quarter
            of what is free, at most 4.

    Raises:
        BadInput: the folder holds no such model.
        MissingExtra: transformers is not installed.
    """
    from inhouse.models.chat_format import ChatFormat

    form = ChatFormat(folder)
    ids = read_json(folder / "config.json").get("eos_token_id")
    stops = frozenset(ids if isinstance(ids, list) else [] if ids is None else [ids])
    if not stops:
        raise BadInput(
            f"{folder} does not say which token ends an answer.",
            "Set eos_token_id in its config.json.",
        )
    threads = threads or machine.threads()
    if engine == "transformers":
        from inhouse.models.transformers_engine import TransformersEngine

        reference = TransformersEngine(folder, threads=threads)
        return LocalModel(name, form, reference, stops)
    from inhouse.models.openvino.engine import OpenVINOEngine

    _check_built(folder)
    cache = machine.cache_bytes() if cache_gib is None else int(cache_gib * 2**30)
    built = OpenVINOEngine(folder, exact=exact, threads=threads, cache_bytes=cache)
    return LocalModel(name, form, built, stops)


def load_embedder(folder: Path, *, threads: int = 0) -> LocalEmbedder:
    """Load an embedder that `build` made.

    Raises:
        BadInput: the folder holds none.
    """
    _check_built(folder)
    return LocalEmbedder(folder, threads=threads)


def _check_built(folder: Path) -> None:
    if not (folder / MODEL).is_file():
        raise BadInput(f"{folder} holds no built model.", "Build the pulled model first.")
