"""Log-probabilities of given tokens: the same graph once more, without paged attention.

The pipeline tells no more than the log-probability of the token that it chose. Weights are in
memory twice from the first use on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

CHUNK = 128
"""Tokens that are read at once: their logits take 4 bytes for each token and word."""
TOGETHER = 256
"""The same of endings, the gaps behind short ones included."""

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
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._request.reset_state()
        self._length = 0

    def read(self, tokens: Sequence[int]) -> Rows:
        """Return the log-probabilities of what follows each of `tokens`, [tokens, vocabulary]."""
        return _log_softmax(self._logits([tokens])[0])

    def read_on(self, tokens: Sequence[int]) -> Rows:
        """Return those of what follows the last of `tokens` alone, [vocabulary]."""
        return _log_softmax(self._logits([tokens])[0, -1])

    def branch(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return how likely each token of some texts is, but for the first of each.

        All of them go on from what was read. After that there is nothing to do but to restart.
        """
        longest = max(len(text) - 1 for text in texts)
        if not longest:
            return [[] for _ in texts]
        # What stands in the gaps comes last, so no token of a text sees it.
        logits = self._logits([[*text[:-1], *[0] * (longest + 1 - len(text))] for text in texts])
        return [
            [float(_log_softmax(row)[token]) for row, token in zip(rows, text[1:], strict=False)]
            for rows, text in zip(logits, texts, strict=True)
        ]

    def _logits(self, rows: Sequence[Sequence[int]]) -> Rows:
        """Read rows of tokens of one length behind the same; [rows, tokens, vocabulary]."""
        whole = self._length + len(rows[0])
        positions = np.arange(self._length, whole, dtype=np.int64)
        found = self._request.infer(
            {
                "input_ids": np.array(rows, np.int64),
                "attention_mask": np.ones((len(rows), whole), np.int64),
                "position_ids": np.tile(positions, (len(rows), 1)),
                "beam_idx": np.zeros(len(rows), np.int32),  # each has the first one's past
            }
        )
        self._length = whole
        logits: Rows = found["logits"]
        return logits


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


class Branching:
    """Scores texts that go on from one beginning, which is read once for many of them."""

    def __init__(
        self, reading: Reading, beginning: Sequence[int], endings: Sequence[Sequence[int]]
    ) -> None:
        self._reading = reading
        self._beginning = beginning
        self._groups = _groups(endings)
        self._place = 0

    @property
    def done(self) -> bool:
        """Whether every ending has its scores."""
        return not self._groups

    def some(self) -> list[Scored]:
        """Return the scores of the next endings, once the beginning has been read."""
        after = self._place + CHUNK
        following = self._reading.read_on(self._beginning[self._place : after])
        if after < len(self._beginning):
            self._place = after
            return []
        texts = self._groups.popleft()
        scores = [
            score
            for text, others in zip(texts, self._reading.branch(texts), strict=True)
            for score in zip(text, [float(following[text[0]]), *others], strict=True)
        ]
        self._reading.restart()
        self._place = 0
        return [(token, logprob, []) for token, logprob in scores]


def _groups(endings: Sequence[Sequence[int]]) -> deque[list[Sequence[int]]]:
    """Return endings in groups that are small enough to be read together, in their order."""
    found: deque[list[Sequence[int]]] = deque()
    longest = 0
    for ending in endings:
        longest = max(longest, len(ending))
        if not found or longest * (len(found[-1]) + 1) > TOGETHER:
            found.append([])
            longest = len(ending)
        found[-1].append(ending)
    return found


def _log_softmax(logits: Rows) -> Rows:
    shifted = logits - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)), np.float32)


def _likeliest(row: Rows, count: int) -> list[tuple[int, float]]:
    if not count:
        return []
    best = np.argpartition(row, -count)[-count:]
    return [(int(i), float(row[i])) for i in best[np.argsort(-row[best], kind="stable")]]
