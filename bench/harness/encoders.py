"""A trained classifier as others would run it: torch as it comes, and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inhouse.models.chat_format import load_tokenizer
from inhouse.models.classifier import softmax
from inhouse.models.heads import load
from inhouse.models.weight_files import read_json
from inhouse.models.weights import open_weights

Floats = npt.NDArray[np.float32]


class Eager:
    """The classifier in torch, eager, in 32 bits; a `core.protocols.Classifier`."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        import torch
        from transformers import BertConfig, BertModel

        torch.set_num_threads(threads)
        weights = open_weights(folder)
        model = BertModel(BertConfig.from_dict(dict(weights.config)), add_pooling_layer=False)
        tensors = {n: torch.tensor(weights.take(n)) for n in model.state_dict()}
        model.load_state_dict(tensors)
        self.model = model.eval()
        self.tokenizer = load_tokenizer(folder)
        self.tokenizer.enable_truncation(256)
        self.head = load(folder, read_json(folder / "config.json")["hidden_size"])
        self.classes = self.head.linear.classes

    def classify(self, texts: Sequence[str]) -> Floats:
        """Return probabilities, float32 of shape [len(texts), len(classes)]; padded together."""
        import torch

        ids, mask = _padded(self.tokenizer, texts)
        with torch.inference_mode():
            given = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            states = self.model(**given).last_hidden_state.numpy()
        return _told(states, mask, self.head)


class Onnx:
    """The same in ONNX Runtime, in 32 bits."""

    def __init__(self, eager: Eager, file: Path, *, threads: int = 1) -> None:
        import onnxruntime
        import torch

        ids, mask = _padded(eager.tokenizer, ["two words", "and three more"])
        torch.onnx.export(
            _states(eager.model), (torch.from_numpy(ids), torch.from_numpy(mask)), file,
            dynamo=False, input_names=["ids", "mask"], output_names=["states"], opset_version=17,
            dynamic_axes={n: {0: "texts", 1: "tokens"} for n in ("ids", "mask", "states")},
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )
        self._eager = eager
        self.classes = eager.classes

    def classify(self, texts: Sequence[str]) -> Floats:
        """Return probabilities, float32 of shape [len(texts), len(classes)]; padded together."""
        ids, mask = _padded(self._eager.tokenizer, texts)
        (states,) = self._session.run(None, {"ids": ids, "mask": mask})
        return _told(states, mask, self._eager.head)


def _states(model: Any) -> Any:  # noqa: ANN401
    import torch

    class States(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, mask: Any) -> Any:  # noqa: ANN401
            return self.model(input_ids=ids, attention_mask=mask).last_hidden_state

    return States().eval()


def _padded(tokenizer: Any, texts: Sequence[str]) -> tuple[Any, Any]:  # noqa: ANN401
    rows = [one.ids for one in tokenizer.encode_batch_fast(list(texts))]
    shape = (len(rows), max(map(len, rows)))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
        mask[place, : len(row)] = 1
    return ids, mask


def _told(states: Floats, mask: Any, head: Any) -> Floats:  # noqa: ANN401
    total = (states * mask[..., None]).sum(1, dtype=np.float32)
    return softmax(head.linear.scores(total / np.linalg.norm(total, axis=1, keepdims=True)))
