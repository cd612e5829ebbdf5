"""Turns texts into unit vectors on the CPU with a built sentence encoder."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from inhouse.models import machine
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.weight_files import read_json

BATCH = 8
TOGETHER = "texts_together"
"""What a model's configuration calls the texts of a batch, where it cannot be as many as usual."""
STEP = 16
SHORTEST = 1e-12


class LocalEmbedder:
    """An embedder that runs here; see `inhouse.core.protocols.Embedder`.

    On one machine the same text has the same vectors to the last bit, whatever it is embedded
    together with. It may be used from several threads. Each processor works on a batch of its own:
    all of them on one batch would wait for each other.
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """Load what `build` made.

        Raises:
            BadInput: a file is missing or cannot be used.
        """
        import inhouse.models.openvino  # noqa: F401 - keeps OpenVINO from reporting its use

        from openvino import Core  # isort: skip

        config = read_json(folder / "config.json")
        self._width: int = config["hidden_size"]
        self._padding: int = config.get("pad_token_id") or 0
        self._tokenizer = load_tokenizer(folder)
        self._longest: int = config["max_tokens"]
        self._together: int = config.get(TOGETHER, BATCH)
        self._tokenizer.enable_truncation(self._longest)
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text
        core = Core()
        threads = threads or machine.threads()
        options = {
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "bf16" if machine.fast_bf16() else "f32",
        }
        model = core.compile_model(folder / "openvino_model.xml", "CPU", options)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(threads):
            self._idle.put(model.create_infer_request())
        self._workers = ThreadPoolExecutor(threads)

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self._width

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, float32 of shape [len(texts), width].

        Texts longer than the model reads are cut at their end.
        """
        ids = [e.ids for e in self._tokenizer.encode_batch_fast(list(texts))]
        vectors = np.empty((len(ids), self._width), np.float32)

        def take(rows: list[int], request: Any) -> None:  # noqa: ANN401 - of OpenVINO
            vectors[rows] = request.get_tensor("vectors").data

        self._run(ids, take)
        return vectors

    def embed_tokens(
        self, texts: Sequence[str], *, starts: Sequence[int]
    ) -> tuple[npt.NDArray[np.float32], list[npt.NDArray[np.float32]]]:
        """Return what `embed` does, and unit vectors of the tokens from `starts` on.

        Tokens that were cut off have none. A token that the model gives no direction stays zero.
        """
        encodings = self._tokenizer.encode_batch(list(texts))
        own = [np.flatnonzero(own_tokens(e, s)) for e, s in zip(encodings, starts, strict=True)]
        vectors = np.empty((len(own), self._width), np.float32)
        tokens = [np.empty((0, self._width), np.float32)] * len(own)

        def take(rows: list[int], request: Any) -> None:  # noqa: ANN401 - of OpenVINO
            vectors[rows] = request.get_tensor("vectors").data
            for i, states in zip(rows, request.get_tensor("tokens").data, strict=True):
                mine = states[own[i]]
                lengths = np.linalg.norm(mine, axis=1, keepdims=True)
                tokens[i] = mine / np.maximum(lengths, SHORTEST)

        self._run([e.ids for e in encodings], take)
        return vectors, tokens

    def pieces(self, text: str) -> list[str]:
        """Return the piece of a text that each of its tokens in `embed_tokens` stands for."""
        encoding = self._tokenizer.encode(text)
        own = np.flatnonzero(own_tokens(encoding, 0))
        return [text[slice(*encoding.offsets[i])] for i in own]

    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many tokens `embed` reads for these texts."""
        return sum(len(e.ids) for e in self._tokenizer.encode_batch_fast(list(texts)))

    def _run(self, tokens: list[list[int]], take: Callable[[list[int], Any], None]) -> None:
        """Embed all texts; `take` gets the rows of each batch and what came out."""

        def run(rows: list[int]) -> None:
            request = self._idle.get()
            try:
                request.infer(self._padded([tokens[i] for i in rows]))
                take(rows, request)
            finally:
                self._idle.put(request)

        batches = list(_batches(tokens, self._together))
        if len(batches) == 1:
            run(batches[0])
        else:
            deque(self._workers.map(run, batches), maxlen=0)

    def _padded(self, tokens: list[list[int]]) -> dict[str, npt.NDArray[np.int64]]:
        # The length decides the order in which numbers are added, how many rows there are does not.
        shape = (len(tokens), min(_rounded(tokens[0]), self._longest))
        ids, mask = np.full(shape, self._padding, np.int64), np.zeros(shape, np.int64)
        for row, of in enumerate(tokens):
            ids[row, : len(of)] = of
            mask[row, : len(of)] = 1
        return {"input_ids": ids, "attention_mask": mask}


def own_tokens(encoding: Any, start: int) -> list[int]:  # noqa: ANN401 - of tokenizers, untyped
    """Return 1 for each of the text's own tokens from character `start` on, 0 for the others."""
    places = zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
    return [int(first >= start and not added) for (first, _), added in places]


def _batches(tokens: list[list[int]], many: int) -> Iterator[list[int]]:
    """Yield rows together that are padded to the same length, so little is computed on padding."""
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    for _, alike in groupby(order, key=lambda i: _rounded(tokens[i])):
        rows = list(alike)
        for start in range(0, len(rows), many):
            yield rows[start : start + many]


def _rounded(tokens: list[int]) -> int:
    """Return the length that a text is padded to, which depends on nothing but the text."""
    return -(-len(tokens) // STEP) * STEP
