"""The stage that makes a pulled model runnable: OpenVINO graph and weights, without torch.

Beside ``openvino_model.xml`` and ``.bin`` lie the files that serving needs. Fetching weights is
`pull`'s business, running the result `load`'s.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import orjson

from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models import heads
from inhouse.models.builtin import Kind
from inhouse.models.pull import context_tokens, kind_of
from inhouse.models.spelling import check_spelling
from inhouse.models.weight_files import read_json

if TYPE_CHECKING:
    from inhouse.models.weights import Weights

Precision = Literal["int8", "int4", "f16", "f32"]
MODEL = "openvino_model.xml"
NAMES: Mapping[Kind, str] = {
    "language": "a language model",
    "embedder": "an embedder",
    "classifier": "a classifier",
}
KEPT = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


@dataclass(frozen=True, slots=True)
class Build:
    """What the model is for, and how finely a language model's weights are kept.

    An embedder always keeps 16 bits, and so does a classifier, which is one with a head.
    """

    kind: Kind = "language"
    precision: Precision = "int8"

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise BadInput(f"{self.precision!r} is not a precision.", "Use int8, int4, f16 or f32.")


def run(spec: Build, inputs: Inputs, ctx: Context) -> Result:
    """Build the model that the input ``weights`` holds into ``ctx.work``.

    An input ``adapter`` is merged into the weights first.

    Raises:
        BadInput: it is of a family that cannot be built, a file is missing, or it learnt with
            another tokenizer or chat template.
    """
    from inhouse.models.adapter import merged
    from inhouse.models.weights import open_weights

    started = time.perf_counter()
    source = inputs["weights"].folder
    weights = open_weights(source)
    if "adapter" in inputs:
        weights = merged(weights, inputs["adapter"].folder)
    kind = heads.kind_of(source, weights.config)
    if kind != spec.kind:
        ref = inputs["weights"].artifact.ref.path
        raise BadInput(
            f"{ref} is {NAMES[kind]}, and {NAMES[spec.kind]} is wanted.",
            "In inhouse.yaml, 'embed' takes an embedder and 'model' one that writes or classifies.",
        )
    precision: Precision = spec.precision if kind == "language" else "f16"
    if kind != "language":
        _check_pooling(source)
    save(weights, precision, ctx.work / MODEL)
    for name in (*KEPT, *(heads.FILES if kind == "classifier" else ())):
        if (source / name).is_file():
            shutil.copyfile(source / name, ctx.work / name)
    config = dict(weights.config) | {"max_tokens": context_tokens(source, weights.config)}
    if kind == "language":
        config["eos_token_id"] = stops_of(source, weights.config)
        _save_vocabulary(source, config["eos_token_id"][0], ctx.work)
    check_spelling(inputs.get("adapter", inputs["weights"]).artifact, ctx.work)
    (ctx.work / "config.json").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
    return Result(
        {
            "kind": kind,
            "architecture": weights.config["model_type"],
            "precision": precision,
            "parameters": weights.parameters,
            "context_tokens": config["max_tokens"],
            "bytes": (ctx.work / MODEL).with_suffix(".bin").stat().st_size,
            "seconds": round(time.perf_counter() - started, 2),
        }
    )


STAGE = Stage("models.build", 3, run)


def save(weights: Weights, precision: Precision, path: Path) -> None:
    """Write the graph of some weights, and the weights beside it.

    Raises:
        BadInput: they are of a family that cannot be built.
    """
    from inhouse.models.openvino.bert import build_encoder
    from inhouse.models.openvino.llama import build_decoder

    build = build_encoder if kind_of(weights.config) == "embedder" else build_decoder
    model = build(weights, precision)

    import openvino

    _name_in_order(model)
    openvino.save_model(model, path, compress_to_fp16=False)


def _save_vocabulary(source: Path, stop: int, folder: Path) -> None:
    """Save what constraints on answers need, if the tokens can be spelled out."""
    from inhouse.models.chat_format import load_tokenizer
    from inhouse.models.openvino.grammar import FOLDER, save_vocabulary
    from inhouse.models.vocabulary import Vocabulary

    vocabulary = Vocabulary(load_tokenizer(source))
    if vocabulary.readable:
        save_vocabulary(vocabulary.spelled, stop, folder / FOLDER)


def _check_pooling(folder: Path) -> None:
    """Refuse an embedder that does more than average its tokens and scale the mean.

    A plain encoder without sentence settings is taken to do just that.
    """
    modules = folder / "modules.json"
    if not modules.is_file():
        return
    kinds = [str(m.get("type")).rpartition(".")[2] for m in orjson.loads(modules.read_bytes())]
    if kinds != ["Transformer", "Pooling", "Normalize"] or not read_json(
        folder / "1_Pooling" / "config.json"
    ).get("pooling_mode_mean_tokens"):
        raise BadInput(
            f"The embedder is made of {', '.join(kinds)}, not of a mean that is normalised.",
            "Use a sentence encoder with mean pooling and normalisation.",
        )


def _name_in_order(model: Any) -> None:  # noqa: ANN401
    """Give nodes without a name of ours one by their place.

    OpenVINO numbers them by a counter of the whole process, and the same model would have other
    bytes each time it is built.
    """
    for place, node in enumerate(model.get_ordered_ops()):
        if node.get_friendly_name() == node.get_name():
            node.set_friendly_name(f"{node.get_type_name()}_{place}")


def stops_of(folder: Path, config: Mapping[str, Any]) -> list[int]:
    """Return every token that ends an answer, as model and generation settings name them.

    Raises:
        BadInput: they name none.
    """
    settings = folder / "generation_config.json"
    extra = read_json(settings).get("eos_token_id") if settings.is_file() else None
    found: set[int] = set()
    for ids in (config.get("eos_token_id"), extra):
        found.update(ids if isinstance(ids, list) else [] if ids is None else [ids])
    if not found:
        raise BadInput(
            "The model does not say which token ends an answer.",
            "Set eos_token_id in its config.json.",
        )
    return sorted(found)
