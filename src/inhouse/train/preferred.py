"""Answers that people have judged, as tokens: a prompt, and behind it the answers to it.

A pair is one document: the prompt, the chosen answer, the last token of the prompt once more, and
the rejected answer. So the prompt is kept once, and each answer follows the token that says its
first one. Rendering conversations is the business of `spoken`, and learning that of `preference`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from inhouse.models.chat_format import ChatFormat
from inhouse.train.spoken import Learnt, Skipped, Spoken, encode, spoken
from inhouse.train.tokens import About, Tokenised

Row = Mapping[str, Any]
ANSWERS = ("chosen", "rejected")


class Preferred:
    """Makes tokens of preferences: of pairs, and of single answers that were called good or bad.

    Only the first turn of an answer is learnt: what somebody said to it afterwards is not in both.
    """

    def __init__(self, form: ChatFormat, about: About) -> None:
        self.about, self._form = replace(about, preferences=True), form

    def key(self, row: Row) -> str:
        """Return the digest of whatever the tokens of a row depend on."""
        found = [row["prompt"], *(row[name][:1] for name in ANSWERS)]
        return hashlib.sha256(
            json.dumps(found, ensure_ascii=False, sort_keys=True).encode()
        ).hexdigest()

    def size(self, row: Row) -> int:
        """Return how long a row is, about, in characters."""
        return sum(len(turn["content"]) for name in ("prompt", *ANSWERS) for turn in row[name])

    def encode(self, rows: Sequence[Row], skipped: Counter[str]) -> Iterator[Tokenised | None]:
        """Yield the tokens of each row, None of one that is skipped and counted."""
        written = [self._written(row, skipped) for row in rows]
        encoded = encode(self._form, [answer for answers in written for answer in answers])
        for row, answers in zip(rows, written, strict=True):
            found = [next(encoded) for _ in answers]
            try:
                yield self._document(row, found) if found else None
            except Skipped as reason:
                skipped[str(reason)] += 1
                yield None

    def _written(self, row: Row, skipped: Counter[str]) -> list[Spoken]:
        """Return the conversations that end in each answer; none if one of them is skipped."""
        answers = [row[name][0] for name in ANSWERS if row[name]]
        try:
            found = [
                spoken(self._form, {**row, "messages": [*row["prompt"], one], "tools": ""})
                for one in answers
            ]
        except Skipped as reason:
            skipped[str(reason)] += 1
            return []
        return [replace(one, spans=one.spans[-1:]) for one in found]

    def _document(self, row: Row, found: Sequence[Learnt]) -> Tokenised:
        """Return prompt and answers as one document.

        Raises:
            Skipped: the answers are the same tokens, or prompt and answer share one.
        """
        starts = [int(loss.argmax()) for _, loss in found]
        start = starts[0]
        if len({ids[:start].tobytes() for ids, _ in found}) > 1 or set(starts) != {start}:
            raise Skipped("torn")
        if len({ids.tobytes() for ids, _ in found}) < len(found):
            raise Skipped("same")
        parts = [found[0], *((ids[start - 1 :], loss[start - 1 :]) for ids, loss in found[1:])]
        ids, loss = (np.concatenate(column) for column in zip(*parts, strict=True))
        verdict = 0 if len(found) > 1 else 1 if row["chosen"] else -1
        return Tokenised(row["id"], self.key(row), ids, loss, verdict)
