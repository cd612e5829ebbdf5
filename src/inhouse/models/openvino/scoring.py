"""Log-probabilities of given tokens: the same graph once more, without paged attention.

The pipeline tells no more than the log-probability of the token that it chose. Weights are in
memory twice from the first use on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

CHUNK = 128
"""Tokens that are read at once: their logits take 4 bytes for each token and word."""

Scored = tuple[int, float | None, list[tuple[int, float]]]
"""A token, its log-probability, and the likeliest tokens in its place with theirs."""
Rows = npt.NDArray[np.float32]


class Scorer:
    """The model, read token by token; as many readings at once as are wanted."""

    def __init__(self, folder: Path, properties: dict[str, Any]) -> None:
        self._model = ov.Core().compile_model(folder / "openvino_model.xml", "CPU", properties)

    def reading(self) -> Reading:
        """Begin a text."""
        return Reading(self._model.create_infer_request())


class Reading:
    """One text being read."""

    def __init__(self, request: Any) -> None:  # noqa: ANN401 - of OpenVINO, untyped
        self._request = request
        self._request.reset_state()
        self._length = 0

    def read(self, tokens: Sequence[int]) -> Rows:
        """Return the log-probabilities of what follows each of `tokens`, [tokens, vocabulary]."""
        whole = self._length + len(tokens)
        found = self._request.infer(
            {
                "input_ids": np.array([tokens], np.int64),
                "attention_mask": np.ones((1, whole), np.int64),
                "position_ids": np.arange(self._length, whole, dtype=np.int64)[None],
                "beam_idx": np.zeros(1, np.int32),
            }
        )
        self._length = whole
        logits: Rows = found["logits"][0]
        shifted = logits - logits.max(-1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)), np.float32)


class Alternatives:
    """Reads along with an answer to say what else was likely."""

    def __init__(self, reading: Reading, prompt: Sequence[int], top: int) -> None:
        self._reading = reading
        self._unread = list(prompt)
        self._top = top

    def before(self, token: int) -> list[tuple[int, float]]:
        """Return the likeliest tokens in place of the next one, which is `token`."""
        for start in range(0, len(self._unread), CHUNK):
            rows = self._reading.read(self._unread[start : start + CHUNK])
        self._unread = [token]
        return _likeliest(rows[-1], self._top)


class Scoring:
    """Scores one text, a part at a time, so that others need not wait for the whole."""

    def __init__(self, reading: Reading, tokens: Sequence[int], top: int) -> None:
        self._reading = reading
        self._tokens = tokens
        self._top = top
        self._place = 0

    @property
    def done(self) -> bool:
        """Whether every token has its score."""
        return self._place >= max(len(self._tokens) - 1, 1)

    def some(self) -> list[Scored]:
        """Return the scores of the next tokens."""
        start = self._place
        scores: list[Scored] = [(self._tokens[0], None, [])] if start == 0 else []
        following = self._tokens[start + 1 : start + 1 + CHUNK]
        if following:
            rows = self._reading.read(self._tokens[start : start + len(following)])
            scores += [
                (token, float(row[token]), _likeliest(row, self._top))
                for token, row in zip(following, rows, strict=True)
            ]
        self._place = start + max(len(following), 1)
        return scores


def _likeliest(row: Rows, count: int) -> list[tuple[int, float]]:
    if not count:
        return []
    best = np.argpartition(row, -count)[-count:]
    return [(int(i), float(row[i])) for i in best[np.argsort(-row[best], kind="stable")]]
