"""Loads what `build` made: the one place that knows which engine runs what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inhouse.core.errors import BadInput
from inhouse.models import bag, heads, machine, student
from inhouse.models.build import MODEL, stops_of
from inhouse.models.embedder import LocalEmbedder
from inhouse.models.language import LocalModel
from inhouse.models.local_classifier import LocalClassifier, SmallClassifier
from inhouse.models.ready import EngineName
from inhouse.models.vocabulary import Vocabulary
from inhouse.models.weight_files import read_json

if TYPE_CHECKING:
    from inhouse.models.chat_format import ChatFormat
    from inhouse.models.engine import Engine


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
        folder: what `build` made, or for the other engines what `pull` made.
        name: what it is called in responses.
        engine: ``llama`` and ``vllm`` need a program beside ours; ``transformers`` is the slow
            reference and needs the extra ``train``.
        exact: compute in float32 throughout, to compare engines.
        threads: CPU threads, 0 for what the machine and its container allow.
        cache_gib: memory for the tokens of all running conversations, in GiB; None for a quarter
            of what is free, at most 4. vLLM takes what its GPU has.

    Raises:
        BadInput: the folder holds no such model.
        NotSetUp: the engine's program is not on this machine, or cannot load the model.
        MissingExtra: transformers is not installed.
    """
    from inhouse.models.chat_format import ChatFormat

    form = ChatFormat(folder)
    stops = frozenset(stops_of(folder, read_json(folder / "config.json")))
    settings = _Settings(
        exact,
        threads or machine.threads(),
        machine.cache_bytes() if cache_gib is None else int(cache_gib * 2**30),
    )
    return LocalModel(name, form, _engine(engine, folder, form, settings), stops)


@dataclass(frozen=True, slots=True)
class _Settings:
    """What engines are told, as far as they can be."""

    exact: bool
    threads: int
    cache_bytes: int


def _engine(name: EngineName, folder: Path, form: ChatFormat, settings: _Settings) -> Engine:
    exact, threads, cache = settings.exact, settings.threads, settings.cache_bytes
    if name == "transformers":
        from inhouse.models.transformers_engine import TransformersEngine

        return TransformersEngine.load(folder, threads=threads)
    if name == "vllm":
        from inhouse.models.vllm_engine import VllmEngine

        return VllmEngine(folder, exact=exact)
    if name == "llama":
        from inhouse.models.llama_engine import LlamaEngine

        spelled = Vocabulary(form.tokenizer).spelled
        return LlamaEngine(folder, spelled, exact=exact, threads=threads, cache_bytes=cache)
    from inhouse.models.openvino.engine import OpenVINOEngine

    _check_built(folder)
    return OpenVINOEngine(folder, exact=exact, threads=threads, cache_bytes=cache)


def load_embedder(folder: Path, *, threads: int = 0) -> LocalEmbedder:
    """Load an embedder that `build` made.

    Raises:
        BadInput: the folder holds none.
    """
    _check_built(folder)
    return LocalEmbedder(folder, threads=threads)


def load_classifier(
    folder: Path, *, name: str, threads: int = 0
) -> LocalClassifier | SmallClassifier:
    """Load a classifier that `build` made, or one that was made small.

    Raises:
        BadInput: the folder holds none.
    """
    if (folder / student.WEIGHTS).is_file():
        return SmallClassifier(name, student.Student.load(folder))
    if (folder / bag.WEIGHTS).is_file():
        return SmallClassifier(name, bag.Bag.load(folder))
    embedder = load_embedder(folder, threads=threads)
    return LocalClassifier(name, embedder, heads.load(folder, embedder.width))


def _check_built(folder: Path) -> None:
    if not (folder / MODEL).is_file():
        raise BadInput(f"{folder} holds no built model.", "Build the pulled model first.")
