"""A sentence encoder while it learns: its loss on a batch, its steps, its checkpoint.

Torch is imported inside, for it belongs to the extra ``train``. What it learns from is the business
of `pairs`, and for how long that of `embed`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inhouse.models.chat_format import load_tokenizer
from inhouse.models.weight_files import read_json
from inhouse.models.weights import open_weights

if TYPE_CHECKING:
    from torch import Tensor

DECAY = 0.01
LONGEST_STEP = 1.0


class Learner:
    """Adapts an encoder with the mean of its tokens, scaled to length 1, as its vector.

    Dropout stays off, so a step depends on weights, optimiser and batch alone.
    """

    def __init__(self, folder: Path, *, tokens: int, temperature: float) -> None:
        """Load the encoder in `folder`; of each text it reads the first `tokens`."""
        import torch

        self._tokenizer = load_tokenizer(folder)
        self._tokenizer.enable_truncation(tokens)
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text
        self._padding: int = read_json(folder / "config.json").get("pad_token_id") or 0
        self._temperature = temperature
        self._model = _load(folder)
        self._base = {n: t.clone() for n, t in self._model.state_dict().items()}
        self._optimizer = torch.optim.AdamW(self._model.parameters(), weight_decay=DECAY)

    def step(self, questions: Sequence[str], answers: Sequence[str], *, rate: float) -> float:
        """Learn that each question belongs to its answer and to no other; return the loss.

        The loss is the cross entropy of cosines over temperature among the answers of the batch
        (InfoNCE, van den Oord et al., arXiv 1807.03748; with the other answers as the wrong ones,
        Henderson et al., arXiv 1705.00652).
        """
        import torch

        cosines = self._vectors(questions) @ self._vectors(answers).T
        right = torch.arange(len(questions))
        loss = torch.nn.functional.cross_entropy(cosines / self._temperature, right)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), LONGEST_STEP)
        self._optimizer.step()
        return float(loss.detach())

    def save(self, path: Path, losses: Sequence[float]) -> None:
        """Write what `resume` needs, whole or not at all."""
        from safetensors.torch import save_file

        tensors = {f"model.{name}": tensor for name, tensor in self._model.state_dict().items()}
        for number, state in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{key}": value for key, value in state.items()}
        aside = path.with_suffix(".part")
        save_file(tensors, aside, {"losses": json.dumps(list(losses))})
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)

    def resume(self, path: Path) -> list[float]:
        """Go on from where `save` was called; return the losses of the steps so far."""
        from safetensors import safe_open

        model: dict[str, Any] = {}
        optimizer: dict[int, dict[str, Any]] = {}
        with safe_open(path, "pt") as file:
            losses: list[float] = json.loads(file.metadata()["losses"])
            for name in file.keys():  # noqa: SIM118 - no mapping
                kind, _, rest = name.partition(".")
                if kind == "model":
                    model[rest] = file.get_tensor(name)
                else:
                    number, _, key = rest.partition(".")
                    optimizer.setdefault(int(number), {})[key] = file.get_tensor(name)
        self._model.load_state_dict(model)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
        return losses

    def write(self, path: Path, *, share: float) -> None:
        """Write weights between those of the base (`share` 0) and those learnt (1).

        Halfway, what was learnt stays and little of what was known before is lost (WiSE-FT,
        Wortsman et al., arXiv 2109.01903).
        """
        from safetensors.torch import save_file

        learnt: Mapping[str, Tensor] = self._model.state_dict()
        mixed = {n: old + share * (learnt[n] - old) for n, old in self._base.items()}
        save_file(mixed, path, {"format": "pt"})

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors, of shape [texts, width]."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        read = [torch.tensor(e.ids) for e in self._tokenizer.encode_batch_fast(list(texts))]
        ids = pad_sequence(read, batch_first=True, padding_value=self._padding)
        lengths = torch.tensor([len(each) for each in read])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        total = (states * mask[..., None]).sum(1)
        return torch.nn.functional.normalize(total, dim=-1)


def _load(folder: Path) -> Any:  # noqa: ANN401
    """Return the encoder in `folder` with the weights as our own reader gives them, in float32."""
    import torch
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_config(config, dtype=torch.float32, add_pooling_layer=False)
    weights = open_weights(folder)
    prefix = "" if "embeddings.word_embeddings.weight" in weights else "bert."
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(
        {n: torch.tensor(weights.take(f"{prefix}{n}", *shape)) for n, shape in shapes.items()}
    )
    return model.eval()
