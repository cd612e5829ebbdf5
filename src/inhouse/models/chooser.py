"""Chooses tokens by all settings of a `Sampling`, for an engine that leaves it to us.

Needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from inhouse.core.protocols import Sampling


class Chooser:
    """Chooses the tokens of one answer, one after the other."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int]) -> None:
        self._sampling = sampling
        self._seen = set(prompt)
        self._written: dict[int, int] = {}
        self._source = torch.Generator()
        if sampling.seed is None:
            self._source.seed()
        else:
            self._source.manual_seed(sampling.seed)

    def choose(self, logits: Any) -> int:  # noqa: ANN401 - of torch, as below
        """Return the next token for logits [vocabulary]."""
        token = int(self._draw(self._biased(logits)))
        self._seen.add(token)
        self._written[token] = self._written.get(token, 0) + 1
        return token

    def _biased(self, logits: Any) -> Any:  # noqa: ANN401
        """Return the logits after bias and penalties."""
        s, logits = self._sampling, logits.clone()
        for token, bias in s.logit_bias:
            logits[token] += bias
        if s.repetition_penalty not in (None, 1.0):
            seen = sorted(self._seen)
            old, penalty = logits[seen], s.repetition_penalty
            logits[seen] = torch.where(old > 0, old / penalty, old * penalty)
        for token, times in self._written.items():
            logits[token] -= s.presence_penalty + s.frequency_penalty * times
        return logits

    def _draw(self, logits: Any) -> Any:  # noqa: ANN401
        s = self._sampling
        if s.temperature == 0:
            return torch.argmax(logits)
        chances, order = torch.softmax(logits / s.temperature, -1).sort(descending=True)
        if s.top_k is not None:
            chances[s.top_k :] = 0
        chances[chances < s.min_p * chances[0]] = 0
        chances = chances / chances.sum()
        chances[chances.cumsum(-1) - chances >= s.top_p] = 0
        return order[torch.multinomial(chances, 1, generator=self._source)]
