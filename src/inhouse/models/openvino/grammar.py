"""What the pipeline needs to keep answers to a grammar: its tokens, and a place to try it out.

A constraint that cannot be compiled stops OpenVINO's pipeline for every request, for good. So each
is tried first on a tiny model with the same tokens, which may be thrown away.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import openvino as ov
import openvino_genai as genai
import orjson
from openvino import opset15

from inhouse.core.protocols import ConstraintKind
from inhouse.models.openvino.llama import build_decoder
from inhouse.models.weights import Weights

FOLDER = "vocabulary"
WIDTH = 32
KEPT = 4096
"""Constraints that are known to be good; each takes 32 bytes."""


def save_vocabulary(tokens: list[bytes], stop: int, folder: Path) -> None:
    """Write the tokens in the form in which OpenVINO looks for them: as a detokenizer.

    `stop` is a token that ends answers; it is no word of any grammar.
    """
    import openvino_tokenizers  # which brings the two operations

    factory = openvino_tokenizers._get_factory()
    ends = np.cumsum([len(t) for t in tokens], dtype=np.int32)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int32)
    letters = np.frombuffer(b"".join(tokens), np.uint8)
    ids = opset15.parameter([-1, -1], np.int64)
    ids.output(0).set_names({"ids"})
    table = [opset15.constant(array).output(0) for array in (starts, ends, letters)]
    inputs = [opset15.convert(ids, "i32").output(0), *table]
    *ragged, characters = factory.create("VocabDecoder", inputs).outputs()
    texts = factory.create("FuzeRagged", ragged).outputs()
    result = opset15.result(opset15.string_tensor_pack(*texts, characters))
    result.output(0).set_names({"texts"})
    model = ov.Model([result], [ids], "detokenizer")
    for place, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{place}")
    model.set_rt_info("2026.4", "openvino_tokenizers_version")
    folder.mkdir(exist_ok=True)
    ov.save_model(model, folder / "openvino_detokenizer.xml")
    (folder / "config.json").write_bytes(orjson.dumps({"eos_token_id": stop}))


def structured(kind: ConstraintKind, text: str) -> genai.StructuredOutputConfig:
    """Return a constraint as OpenVINO takes it."""
    return genai.StructuredOutputConfig(**{kind: text})


class Trial:
    """A tiny model on which constraints are tried."""

    def __init__(self, tokenizer: genai.Tokenizer, words: int) -> None:
        self._tokenizer = tokenizer
        self._words = words
        self._pipeline: genai.ContinuousBatchingPipeline | None = None
        self._good: set[bytes] = set()

    def fault(self, kind: ConstraintKind, text: str) -> str | None:
        """Return what is wrong with a constraint, or None."""
        digest = hashlib.sha256(f"{kind}\n{text}".encode()).digest()
        if digest in self._good:
            return None
        self._pipeline = self._pipeline or _tiny(self._tokenizer, self._words)
        config = genai.GenerationConfig()
        config.max_new_tokens = 1
        config.structured_output_config = structured(kind, text)
        try:
            handle = self._pipeline.add_request(0, ov.Tensor(np.array([[1]], np.int64)), config)
            self._pipeline.step()
            handle.read()
        except RuntimeError as error:
            self._pipeline = None
            return str(error).strip().splitlines()[-1].rpartition(": ")[2][:300]
        if len(self._good) >= KEPT:
            self._good.clear()
        self._good.add(digest)
        return None


def _tiny(tokenizer: genai.Tokenizer, words: int) -> genai.ContinuousBatchingPipeline:
    shapes = {"model.embed_tokens.weight": (words, WIDTH), "model.norm.weight": (WIDTH,)}
    config = {
        "model_type": "llama",
        "hidden_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
    }
    for part in ("q", "k", "v", "o"):
        shapes[f"model.layers.0.self_attn.{part}_proj.weight"] = (WIDTH, WIDTH)
    for part in ("gate", "up", "down"):
        shapes[f"model.layers.0.mlp.{part}_proj.weight"] = (WIDTH, WIDTH)
    for part in ("input_layernorm", "post_attention_layernorm"):
        shapes[f"model.layers.0.{part}.weight"] = (WIDTH,)
    weights = Weights(config, shapes, lambda name: np.zeros(shapes[name], np.float32))
    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = 4
    with tempfile.TemporaryDirectory() as folder:
        ov.save_model(build_decoder(weights, "f32"), Path(folder, "openvino_model.xml"))
        return genai.ContinuousBatchingPipeline(folder, tokenizer, scheduler, "CPU")
