"""A sentence encoder while it learns: its loss on a batch, its steps, its checkpoint.

Torch is imported inside, for it belongs to the extra ``train``. What it learns from is the business
of `pairs`, and for how long that of `embed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inhouse.models.chat_format import load_tokenizer
from inhouse.models.embedder import own_tokens
from inhouse.models.weight_files import read_json
from inhouse.train import encoder
from inhouse.train.pairs import Pair

if TYPE_CHECKING:
    from torch import Tensor

DECAY = 0.01
LONGEST_STEP = 1.0


@dataclass(frozen=True, slots=True)
class _Read:
    """Unit vectors of texts [texts, width] and tokens [texts, tokens, width], and which count."""

    vectors: Tensor
    tokens: Tensor
    own: Tensor


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
        self._model = encoder.load(folder)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), weight_decay=DECAY)

    def step(self, pairs: Sequence[Pair], *, rate: float) -> float:
        """Learn that each question belongs to its own answer and to no other; return the loss.

        The loss is the cross entropy of a score over temperature among the answers of the batch
        (InfoNCE, van den Oord et al., arXiv 1807.03748; with the other answers as the wrong ones,
        Henderson et al., arXiv 1705.00652). A search scores twice and so is the loss a mean of two:
        of the cosine, and of how well a question's tokens are met by those of the text (late
        interaction, Khattab and Zaharia, arXiv 2004.12832).
        """
        import torch

        asked = self._read([pair.question for pair in pairs], [0] * len(pairs))
        answers = [f"{pair.path}\n{pair.text}" for pair in pairs]
        found = self._read(answers, [len(pair.path) + 1 for pair in pairs])
        right = torch.arange(len(pairs))
        losses = [
            torch.nn.functional.cross_entropy(scores / self._temperature, right)
            for scores in (asked.vectors @ found.vectors.T, _meeting(asked, found))
        ]
        loss = sum(losses) / len(losses)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), LONGEST_STEP)
        self._optimizer.step()
        return float(loss.detach())

    def save(self, path: Path, losses: Sequence[float]) -> None:
        """Write what `resume` needs, whole or not at all: first to `path` with .part behind it."""
        encoder.keep(path, self._model, self._optimizer, {"losses": losses})

    def resume(self, path: Path) -> list[float]:
        """Go on from where `save` was called; return the losses of the steps so far."""
        return encoder.resume(path, self._model, self._optimizer)["losses"]

    def write(self, path: Path) -> None:
        """Write the weights as they are now, in the way of a pulled model."""
        encoder.write(path, self._model.state_dict(), {"format": "pt"})

    def _read(self, texts: Sequence[str], starts: Sequence[int]) -> _Read:
        """Read texts, of which the tokens from the characters `starts` on count one by one."""
        from torch.nn.functional import normalize

        encodings = self._tokenizer.encode_batch(list(texts))
        starting = zip(encodings, starts, strict=True)
        ids = encoder.padded([e.ids for e in encodings], self._padding)
        mask = encoder.padded([e.attention_mask for e in encodings])
        own = encoder.padded([own_tokens(e, start) for e, start in starting])
        states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        total = (states * mask[..., None]).sum(1)
        return _Read(normalize(total, dim=-1), normalize(states, dim=-1), own.bool())


def _meeting(asked: _Read, found: _Read) -> Tensor:
    """Return the mean over a question's tokens of the best cosine with a text's, for all pairs."""
    import torch

    cosines = torch.einsum("qid,fjd->qfij", asked.tokens, found.tokens)
    best = cosines.masked_fill(~found.own[None, :, None], -1.0).amax(-1)
    counted = asked.own[:, None]
    return (best * counted).sum(-1) / counted.sum(-1).clamp(min=1)
