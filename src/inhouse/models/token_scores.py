"""From an engine's steps to tokens with their text, as callers see them."""

from __future__ import annotations

import codecs

from inhouse.core.protocols import Candidate, TokenScore
from inhouse.models.engine import Step
from inhouse.models.vocabulary import Vocabulary


class TokenScores:
    """The scored tokens of one text, and where each begins in it."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._length = 0
        self._new: list[TokenScore] = []

    def of(self, step: Step) -> TokenScore:
        """Return the next token. One that goes on with a character begins where that does."""
        raw = self._vocabulary.raw
        top = tuple(Candidate(token, raw(token), logprob) for token, logprob in step.top)
        score = TokenScore(step.token, raw(step.token), step.logprob, self._length, top)
        self._length += len(self._decoder.decode(score.raw))
        return score

    def add(self, step: Step) -> None:
        """Keep the next token until it is taken."""
        self._new.append(self.of(step))

    def take(self) -> tuple[TokenScore, ...]:
        """Return those that were added since the last time."""
        taken, self._new = tuple(self._new), []
        return taken
