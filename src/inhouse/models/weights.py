"""Reads the tensors of a pulled model as float32 under Hugging Face names, whatever the format.

Safetensors are read by their header and a memory map (BF16 too, which numpy does not know);
GGUF is dequantised and its names and row order are put back. No code in a file is ever run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inhouse.core.errors import BadInput
from inhouse.models.gguf_file import GgufFile
from inhouse.models.weight_files import read_json

Array = npt.NDArray[np.float32]

MAX_HEADER = 100 * 2**20
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
INTEGERS = {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

GGUF_TOPS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "rope_freqs": "rope_freqs",
}
GGUF_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class Weights:
    """The tensors of one model and its configuration; remembers which were taken."""

    def __init__(
        self,
        config: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
        read: Callable[[str], Array],
    ) -> None:
        self.config = config
        self._shapes = shapes
        self._read = read
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._shapes

    @property
    def names(self) -> Iterable[str]:
        """The names of all tensors."""
        return self._shapes.keys()

    @property
    def parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(math.prod(shape) for shape in self._shapes.values())

    def take(self, name: str, *shape: int) -> Array:
        """Return a tensor as float32.

        Raises:
            BadInput: there is none of that name, or it has another shape than the one given.
        """
        if name not in self._shapes:
            raise BadInput(f"The tensor {name} is missing.", "Fetch the model again.")
        if shape and self._shapes[name] != shape:
            raise BadInput(
                f"The tensor {name} has the shape {self._shapes[name]}, not {shape}.",
                "Its config.json does not belong to these weights.",
            )
        self._taken.add(name)
        return self._read(name)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor that is there."""
        return self._shapes[name]

    def derived(self, read: Callable[[str], Array]) -> Weights:
        """Return weights of the same names and shapes that are read otherwise."""
        return Weights(self.config, self._shapes, read)

    def check_all_taken(self, *, but: Iterable[str] = ()) -> None:
        """Do nothing if every tensor was taken, except those whose names end like `but`.

        Raises:
            BadInput: a tensor was left, so the model does more than what was built.
        """
        left = sorted(n for n in self._shapes.keys() - self._taken if not n.endswith(tuple(but)))
        if left:
            raise BadInput(
                f"{len(left)} tensors of the model have no place in its known structure, "
                f"{left[0]} among them.",
                "Use a model of a supported family: Llama, Mistral, Qwen2, Qwen3 or BERT.",
            )


def open_weights(folder: Path) -> Weights:
    """Open the weights of a pulled model.

    Raises:
        BadInput: a file is missing, damaged, or not what its name says.
    """
    if (folder / "model.gguf").is_file():
        return _open_gguf(folder / "model.gguf")
    shards = sorted(folder.glob("model*.safetensors"))
    if not shards:
        raise BadInput(f"{folder} holds no weights.", "Pull the model first.")
    return open_safetensors(shards, read_json(folder / "config.json"))


def open_safetensors(shards: list[Path], config: Mapping[str, Any]) -> Weights:
    """Open the tensors of some files.

    Raises:
        BadInput: one is damaged, or no safetensors.
    """
    places: dict[str, tuple[Path, int, dict[str, Any]]] = {}
    for path in shards:
        start, header = _read_header(path)
        for name, entry in header.items():
            if name in places:
                raise BadInput(f"{path.name} repeats the tensor {name}.", "Fetch it again.")
            places[name] = (path, start, entry)
    files = {path: np.memmap(path, np.uint8, "r") for path in shards}

    def read(name: str) -> Array:
        path, start, entry = places[name]
        if entry["dtype"] not in DTYPES:
            raise BadInput(
                f"{path.name} stores {name} as {entry['dtype']}, which cannot be read.",
                "Use weights in F32, F16 or BF16.",
            )
        begin, end = entry["data_offsets"]
        raw = files[path][start + begin : start + end].view(DTYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(raw, np.float32).reshape(entry["shape"])

    return Weights(config, {n: tuple(e["shape"]) for n, (_, _, e) in places.items()}, read)


def save_safetensors(weights: Weights, file: Path) -> None:
    """Write all tensors in float32, one after the other."""
    header, place = {}, 0
    for name in weights.names:
        shape = weights.shape(name)
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    table = json.dumps(header).encode()
    table += b" " * (-len(table) % 8)  # where tensors begin at a multiple of 8, all can map them
    with file.open("wb") as out:
        out.write(len(table).to_bytes(8, "little") + table)
        for name in weights.names:
            out.write(np.ascontiguousarray(weights.take(name), "<f4").tobytes())


def _read_header(path: Path) -> tuple[int, dict[str, Any]]:
    """Return where the data of a safetensors file begins, and its table of tensors."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
            raise _not_safetensors(path)
        try:
            header = json.loads(file.read(length))
        except ValueError:
            raise _not_safetensors(path) from None
    if not isinstance(header, dict):
        raise _not_safetensors(path)
    header.pop("__metadata__", None)
    if not all(_fits(entry, size - 8 - length) for entry in header.values()):
        raise _not_safetensors(path)
    return 8 + length, header


def _fits(entry: object, size: int) -> bool:
    """Say whether an entry of the table is well formed and lies inside the file."""
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            if not all(isinstance(n, int) and n >= 0 for n in shape):
                return False
            width = np.dtype(DTYPES[dtype]).itemsize if dtype in DTYPES else INTEGERS.get(dtype)
            inside = 0 <= begin <= end <= size
            return inside and (width is None or end - begin == width * math.prod(shape))
    return False


def _not_safetensors(path: Path) -> BadInput:
    return BadInput(
        f"{path.name} is named like safetensors but is not, or is cut short.",
        "Fetch it again, or convert it to safetensors.",
    )


def _open_gguf(path: Path) -> Weights:
    file = GgufFile(path)
    names = {_hugging_face_name(name): name for name in file.tensors}
    config = gguf_config(file)
    heads = {
        "q_proj": config["num_attention_heads"],
        "k_proj": config["num_key_value_heads"],
    }

    def read(name: str) -> Array:
        tensor = file.read(names[name])
        count = heads.get(name.split(".")[-2]) if "." in name else None
        if count and config["model_type"] == "llama":
            return _unpermute(tensor, count)
        return tensor

    return Weights(config, {n: file.tensors[old].shape for n, old in names.items()}, read)


def _unpermute(x: Array, heads: int) -> Array:
    """Undo llama.cpp's order of the rows of q and k: pairs side by side back to two halves."""
    pairs = x.reshape(heads, x.shape[0] // heads // 2, 2, *x.shape[1:])
    return pairs.swapaxes(1, 2).reshape(x.shape)


def _hugging_face_name(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    if stem in GGUF_TOPS:
        return f"{GGUF_TOPS[stem]}.{suffix}"
    block, _, rest = stem.partition(".")
    layer, _, part = rest.partition(".")
    if block == "blk" and part in GGUF_PARTS:
        return f"model.layers.{layer}.{GGUF_PARTS[part]}.{suffix}"
    return name


def gguf_config(file: GgufFile) -> dict[str, Any]:
    """Describe a GGUF model as Hugging Face's ``config.json`` would.

    Raises:
        BadInput: something that every language model has is not said.
    """
    metadata = file.metadata
    family = metadata.get("general.architecture")
    needed = ("embedding_length", "block_count", "attention.head_count", "context_length")
    missing = [k for k in needed if not isinstance(metadata.get(f"{family}.{k}"), int)]
    if missing or "token_embd.weight" not in file.tensors:
        raise BadInput(
            f"The GGUF file does not describe a language model ({missing or 'no embedding'}).",
            "Use a file of a supported family: Llama, Mistral, Qwen2 or Qwen3.",
        )

    def of(key: str, default: Any = None) -> Any:  # noqa: ANN401
        return metadata.get(f"{family}.{key}", default)

    heads, width = of("attention.head_count"), of("embedding_length")
    config = {
        "model_type": family,
        "hidden_size": width,
        "intermediate_size": of("feed_forward_length"),
        "num_hidden_layers": of("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": of("attention.head_count_kv", heads),
        "head_dim": of("attention.key_length") or of("rope.dimension_count") or width // heads,
        "hidden_act": "silu",
        "rms_norm_eps": of("attention.layer_norm_rms_epsilon"),
        "max_position_embeddings": of("context_length"),
        "sliding_window": of("attention.sliding_window"),
        "rope_theta": of("rope.freq_base", 10000.0),
        "rope_scaling": _rope_scaling(
            of("rope.scaling.type"),
            of("rope.scaling.factor"),
            of("rope.scaling.original_context_length"),
        ),
        "vocab_size": file.tensors["token_embd.weight"].shape[0],
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "bos_token_id": metadata.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": gguf_stops(metadata),
    }
    return {key: value for key, value in config.items() if value is not None}


def gguf_stops(metadata: Mapping[str, Any]) -> list[int]:
    """Return the tokens that end an answer: end of text and, where told apart, end of turn."""
    ids = [metadata.get(f"tokenizer.ggml.{kind}_token_id") for kind in ("eos", "eot")]
    return sorted({i for i in ids if isinstance(i, int)})


def _rope_scaling(
    kind: str | None, factor: float | None, before: int | None
) -> dict[str, Any] | None:
    if kind in (None, "none"):
        return None
    found = {"rope_type": kind, "factor": factor}
    return found | ({"original_max_position_embeddings": before} if before else {})
