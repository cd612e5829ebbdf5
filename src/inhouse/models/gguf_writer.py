"""Writes a language model as one GGUF file, as llama.cpp and all that is built on it load it.

Weights go through one tensor at a time, from whatever they were read of. How text is split is told
by a name from a list, so the tokenizer is put together again from what will stand in the file, and
must agree with the model's own before anything is written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from inhouse.core.errors import BadInput
from inhouse.models.build import stops_of
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.gguf_tokenizer import CONTROL, SPLITS, USER_DEFINED, build_tokenizer
from inhouse.models.weight_files import read_json
from inhouse.models.weights import GGUF_PARTS, GGUF_TOPS, Array, Weights

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from inhouse.models.openvino.llama import Shape

Kept = Literal["f16", "f32", "q8_0"]
FILE_TYPES: Mapping[Kept, int] = {"f32": 0, "f16": 1, "q8_0": 7}
NORMAL, UNUSED = 1, 5
LARGEST = np.finfo(np.float16).max
NAMES = {theirs: ours for ours, theirs in (GGUF_TOPS | GGUF_PARTS).items()}
SPECIAL = {"bos_token": "bos", "pad_token": "padding", "unk_token": "unknown"}
STOPS = ("eos", "eot", "eom")
PROBES = (
    "Hello World's end: I'LL've 3 of 12345 things,   three   spaces (and_a-dash) x=1.5e-7;",
    "\n\n new line\t\tand tab \r\n\r\n  indented\n    more 007 don't DON'T we'd",
    "Grüße aus Zürich, où l'été 2026 naïve — „quoted“ 你好 世界 привет 1234567 😀🎉 ½ ²",
)
"""Where the known ways to split text differ: digits, letters of contractions, spaces, line ends."""
SAMPLED = 1000
"""Tokens that are written out and read again, for what is done with whole words."""


def write_gguf(
    weights: Weights, folder: Path, file: Path, *, kept: Kept, name: str, licence: str = ""
) -> None:
    """Write a model, its matrices kept as `kept`, with its tokenizer and chat template.

    Args:
        weights: of the Llama family.
        folder: where ``tokenizer.json`` and what belongs to it lie.
        file: what to write.
        kept: f16 and f32 hold them plain; q8_0 in 8 bits, with a scale for each 32.
        name: what the model is called in the file.
        licence: its licence, if it is known.

    Raises:
        BadInput: it is of another family, or its tokenizer cannot be told in a GGUF file.
    """
    from gguf import GGMLQuantizationType, GGUFWriter

    from inhouse.models.openvino.llama import Shape

    shape = Shape.read(weights.config)
    # Mistral without a window is a Llama; llama.cpp knows it by that name alone.
    family = {"mistral": "llama"}.get(weights.config["model_type"], weights.config["model_type"])
    writer = GGUFWriter(file, family)
    said = {"general.type": "model", "general.name": name, "general.file_type": FILE_TYPES[kept]}
    said |= {"general.license": licence} if licence else {}
    said |= {"general.quantization_version": 2} if kept == "q8_0" else {}
    said |= {f"{family}.{key}": value for key, value in _sizes(weights.config, shape).items()}
    said |= _words(folder, weights)
    for key, value in said.items():
        _add(writer, key, value)
    parts = list(_parts(weights, shape, family))
    kinds = {ours: _kind(weights.shape(theirs), kept) for ours, theirs, _ in parts}
    for ours, theirs, _ in parts:
        _announce(writer, ours, weights.shape(theirs), GGMLQuantizationType[kinds[ours]])
    factors = _factors(weights, shape)
    if factors is not None:
        _announce(writer, "rope_freqs.weight", factors.shape, GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for ours, theirs, heads in parts:
        tensor = weights.take(theirs)
        writer.write_tensor_data(_stored(permuted(tensor, heads) if heads else tensor, kinds[ours]))
    if factors is not None:
        writer.write_tensor_data(factors)
    writer.close()


def permuted(x: Array, heads: int) -> Array:
    """Return rows of q or k in llama.cpp's order: what turns together stands side by side."""
    halves = x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(x.shape))


def _sizes(config: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    found = {
        "context_length": config["max_position_embeddings"],
        "embedding_length": shape.width,
        "block_count": shape.layers,
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head_width,
        "attention.value_length": shape.head_width,
        "attention.layer_norm_rms_epsilon": float(shape.epsilon),
        "rope.dimension_count": shape.head_width,
        "vocab_size": config["vocab_size"],
        "rope.freq_base": float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0),
    }
    if rope.get("rope_type", rope.get("type")) == "linear":
        found |= {"rope.scaling.type": "linear", "rope.scaling.factor": float(rope["factor"])}
    return found


def _factors(weights: Weights, shape: Shape) -> Array | None:
    """Return by what Llama 3.1 divides each frequency, float32 [head_width / 2]; None if nothing.

    It is a tensor in the file and no setting.
    """
    config = weights.config
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if "rope_freqs.weight" in weights:
        return weights.take("rope_freqs.weight")
    if rope.get("rope_type", rope.get("type")) != "llama3":
        return None
    base = float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0)
    width = shape.head_width
    plain = 1.0 / base ** (np.arange(0, width, 2, dtype=np.float64) / width)
    return np.asarray(plain / shape.frequencies, np.float32)


def _parts(weights: Weights, shape: Shape, family: str) -> Iterator[tuple[str, str, int]]:
    """Yield the name of each tensor there and here, and the heads by which rows are ordered."""
    heads = {"attn_q": shape.heads, "attn_k": shape.kv_heads} if family == "llama" else {}
    for theirs in weights.names:
        stem, _, end = theirs.rpartition(".")
        if stem == "rope_freqs" or end == "inv_freq" or (stem == "lm_head" and shape.tied):
            continue
        layer, _, part = stem.removeprefix("model.layers.").partition(".")
        if stem in NAMES:
            yield f"{NAMES[stem]}.{end}", theirs, 0
        elif stem.startswith("model.layers.") and part in NAMES:
            ours = NAMES[part]
            yield f"blk.{layer}.{ours}.{end}", theirs, heads.get(ours, 0)
        else:
            raise BadInput(
                f"The tensor {theirs} has no place in a GGUF file.",
                "Use a model of a supported family: Llama, Mistral, Qwen2 or Qwen3.",
            )


def _kind(shape: tuple[int, ...], kept: Kept) -> str:
    """Return how a tensor is kept: vectors stay exact, and rows that 32 does not divide f16."""
    if len(shape) < 2:
        return "F32"
    return "F16" if kept == "q8_0" and shape[-1] % 32 else kept.upper()


def _announce(writer: Any, name: str, shape: tuple[int, ...], kind: Any) -> None:  # noqa: ANN401
    from gguf import GGML_QUANT_SIZES

    block, size = GGML_QUANT_SIZES[kind]
    count = math.prod(shape) // block * size
    writer.add_tensor_info(name, shape, np.dtype(np.float32), count, raw_dtype=kind)


def _stored(tensor: Array, kind: str) -> Any:  # noqa: ANN401
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    if kind == "F16":
        return np.clip(tensor, -LARGEST, LARGEST).astype(np.float16)
    return quantize(np.ascontiguousarray(tensor), GGMLQuantizationType[kind])


def _add(writer: Any, key: str, value: Any) -> None:  # noqa: ANN401
    from gguf import GGUFValueType

    if isinstance(value, list):
        writer.add_array(key, value)
        return
    kind = GGUFValueType.UINT32 if type(value) is int else GGUFValueType.get_type(value)
    writer.add_key_value(key, value, kind)


def _words(folder: Path, weights: Weights) -> dict[str, Any]:
    """Return what a GGUF file says of a tokenizer, its special tokens and the chat template."""
    tokenizer = load_tokenizer(folder)
    settings = folder / "tokenizer_config.json"
    named = read_json(settings) if settings.is_file() else {}
    said = _vocabulary(tokenizer, weights.shape("model.embed_tokens.weight")[0])
    for key, kind in SPECIAL.items():
        token = _text(named.get(key))
        if token and (number := tokenizer.token_to_id(token)) is not None:
            said[f"tokenizer.ggml.{kind}_token_id"] = number
    end = tokenizer.token_to_id(_text(named.get("eos_token")))
    stops = sorted(stops_of(folder, weights.config), key=lambda number: number != end)
    said |= {
        f"tokenizer.ggml.{kind}_token_id": stop for kind, stop in zip(STOPS, stops, strict=False)
    }
    begun = tokenizer.encode("a")
    said["tokenizer.ggml.add_bos_token"] = starts = bool(begun.special_tokens_mask[0])
    if starts:
        said["tokenizer.ggml.bos_token_id"] = begun.ids[0]
    said["tokenizer.ggml.pre"] = _split(tokenizer, said)
    template = folder / "chat_template.jinja"
    if template.is_file():
        said["tokenizer.chat_template"] = template.read_text(encoding="utf-8")
    return said


def _text(token: object) -> str:
    """Return a special token of ``tokenizer_config.json``, which may be an object; "" for none."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else ""


def _vocabulary(tokenizer: Tokenizer, rows: int) -> dict[str, Any]:
    """Return tokens, their kinds and merges; places of the embedding without a token are unused."""
    about = json.loads(tokenizer.to_str())
    model = about["model"]
    if model["type"] != "BPE" or model.get("byte_fallback"):
        raise _untold(f"is of the kind {model['type']}, not a byte-level BPE")
    tokens, kinds = [f"[PAD{place}]" for place in range(rows)], [UNUSED] * rows
    marked = {token["id"]: token for token in about["added_tokens"]}
    found = model["vocab"] | {token["content"]: place for place, token in marked.items()}
    if max(found.values()) >= rows:
        raise _untold(f"has {max(found.values()) + 1} tokens, and the model {rows}")
    for token, place in found.items():
        tokens[place], kinds[place] = token, NORMAL
    for place, token in marked.items():
        kinds[place] = CONTROL if token["special"] else USER_DEFINED
    merges = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": merges,
    }


def _split(tokenizer: Tokenizer, said: Mapping[str, Any]) -> str:
    """Return the name of the way in which text is split that gives the tokenizer's own tokens."""
    count = tokenizer.get_vocab_size()
    some = [tokenizer.decode([place]) for place in range(0, count, max(count // SAMPLED, 1))]
    wanted = _read(tokenizer, " ".join(some))
    for name in SPLITS:
        told = build_tokenizer({**said, "tokenizer.ggml.pre": name})
        if _read(told, " ".join(some)) == wanted:
            return name
    raise _untold(f"splits text in none of the ways {', '.join(SPLITS)}")


def _read(tokenizer: Tokenizer, words: str) -> list[Any]:
    """Return into what texts are split, whatever the vocabulary, and the tokens of its words."""
    split = tokenizer.pre_tokenizer.pre_tokenize_str if tokenizer.pre_tokenizer else str.split
    tokens = tokenizer.encode_batch([*PROBES, words], add_special_tokens=False)
    return [[[piece[0] for piece in split(text)] for text in PROBES], [one.ids for one in tokens]]


def _untold(why: str) -> BadInput:
    return BadInput(
        f"The model's tokenizer {why}, which a GGUF file of ours cannot tell.",
        "Take the model along with --format hf, and convert that with llama.cpp's own program.",
    )
