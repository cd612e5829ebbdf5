"""A sentence encoder that learns classes: with a linear head, or by what texts have in common.

Torch is imported inside, for it belongs to the extra ``train``. For how long it learns, and from
what, is the business of `classify`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inhouse.models.chat_format import load_tokenizer
from inhouse.models.machine import fast_bf16
from inhouse.models.weight_files import read_json
from inhouse.train import encoder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DECAY = 0.01
LONGEST_STEP = 1.0
READ_AT_ONCE = 64
ALIKE = 16
"""So many texts of about the same length go through the encoder together: a batch of chance is
mostly padding, three of four tokens of it in banking77."""

Floats = npt.NDArray[np.float32]


class ClassLearner:
    """Adapts an encoder and a head on its vectors: the mean of its tokens, scaled to length 1.

    Dropout stays off, so a step depends on weights, optimiser and batch alone.
    """

    def __init__(self, folder: Path, *, classes: int, tokens: int) -> None:
        """Load the encoder in `folder`; of each text it reads the first `tokens`."""
        import torch

        self._tokenizer = load_tokenizer(folder)
        self._tokenizer.enable_truncation(tokens)
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text
        config = read_json(folder / "config.json")
        self._padding: int = config.get("pad_token_id") or 0
        # Vectors of length 1 are made longer for the head, so that its rate fits any width.
        self._length = float(config["hidden_size"]) ** 0.5
        self._fast = fast_bf16()
        head = torch.nn.Linear(config["hidden_size"], classes)
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
        self._model = torch.nn.ModuleDict({"encoder": encoder.load(folder), "head": head})
        groups = [{"params": self._model[name].parameters()} for name in ("encoder", "head")]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=DECAY)

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts, as the other methods take them."""
        return [e.ids for e in self._tokenizer.encode_batch_fast(list(texts))]

    def step(
        self,
        rows: Sequence[Sequence[int]],
        labels: npt.NDArray[np.int64],
        *,
        rates: tuple[float, float],
        counts: Floats,
        smoothing: float,
    ) -> float:
        """Learn the classes of some texts with the head; return the loss.

        Args:
            rows: the tokens of the texts.
            labels: the number of the class of each.
            rates: the learning rates of encoder and head.
            counts: what a text of each class counts.
            smoothing: the share of a label that is spread over all classes (Szegedy et al.,
                arXiv 1512.00567).
        """
        import torch

        with self._quickly():
            scores = self._model["head"](self._vectors(rows) * self._length)
        loss = torch.nn.functional.cross_entropy(
            scores.float(),
            torch.from_numpy(labels),
            weight=torch.from_numpy(counts),
            label_smoothing=smoothing,
        )
        return self._learn(loss, rates)

    def contrast(
        self,
        rows: Sequence[Sequence[int]],
        labels: npt.NDArray[np.int64],
        *,
        rate: float,
        temperature: float,
    ) -> float:
        """Learn that texts of a class are near each other and far from the others; return the loss.

        It is the supervised contrastive loss (Khosla et al., arXiv 2004.11362).
        """
        import torch

        with self._quickly():
            vectors = self._vectors(rows)
        own, known = torch.eye(len(rows), dtype=torch.bool), torch.from_numpy(labels)
        scores = (vectors.float() @ vectors.float().T / temperature).masked_fill(own, -1e9)
        alike = (known[:, None] == known) & ~own
        sure = torch.log_softmax(scores, dim=1).masked_fill(~alike, 0.0).sum(1)
        paired = alike.any(1)
        loss = -(sure / alike.sum(1).clamp(min=1))[paired].mean()
        return self._learn(loss, (rate, 0.0))

    def vectors(self, rows: Sequence[Sequence[int]]) -> Floats:
        """Return unit vectors of texts, float32 of shape [texts, width]."""
        import torch

        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        found = np.empty((len(rows), round(self._length**2)), np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), READ_AT_ONCE):
                some = order[start : start + READ_AT_ONCE]
                found[some] = self._vectors([rows[row] for row in some]).numpy()
        return found

    def head(self) -> Floats:
        """Return the head's weights for unit vectors, [width + 1, classes], the last row biases."""
        head = self._model["head"]
        both = [head.weight.detach().T * self._length, head.bias.detach()[None]]
        return np.ascontiguousarray(np.concatenate([part.numpy() for part in both]))

    def keep(self, path: Path, told: Mapping[str, Sequence[float]]) -> None:
        """Write what `resume` needs, whole or not at all."""
        encoder.keep(path, self._model, self._optimizer, told)

    def resume(self, path: Path) -> dict[str, list[float]]:
        """Go on from where `keep` was called; return what was told then."""
        return encoder.resume(path, self._model, self._optimizer)

    def write(self, path: Path) -> None:
        """Write the weights of the encoder as they are now, in the way of a pulled model."""
        encoder.write(path, self._model["encoder"].state_dict(), {"format": "pt"})

    def _learn(self, loss: Tensor, rates: tuple[float, float]) -> float:
        import torch

        for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), LONGEST_STEP)
        self._optimizer.step()
        return float(loss.detach())

    def _quickly(self) -> torch.autocast:
        """Compute in bfloat16 where the processor does so itself; elsewhere it would be slower."""
        import torch

        return torch.autocast("cpu", torch.bfloat16, enabled=self._fast)

    def _vectors(self, rows: Sequence[Sequence[int]]) -> Tensor:
        import torch

        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        alike = [order[start : start + ALIKE] for start in range(0, len(order), ALIKE)]
        found = torch.cat([self._sums([rows[row] for row in some]) for some in alike])
        return torch.nn.functional.normalize(found[torch.tensor(order).argsort()], dim=-1)

    def _sums(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Return the sum of the vectors of each text's tokens: as a direction, their mean."""
        ids = encoder.padded(rows, self._padding)
        mask = encoder.padded([[1] * len(row) for row in rows])
        states = self._model["encoder"](input_ids=ids, attention_mask=mask).last_hidden_state
        found: Tensor = (states.float() * mask[..., None]).sum(1)
        return found
