"""Turns tokens into text piece by piece: never half a character, never a part of a stop string."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream


class TextStream:
    """The text of one answer as it grows."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False
        """Whether a stop string has come; nothing after it is given out."""

    def push(self, token: int) -> str:
        """Take a token and return the text that is now certain, often empty.

        Bytes that are not yet a whole character wait for the next token, text that may be the
        beginning of a stop string waits until it is one or cannot be.
        """
        if self.stopped:
            return ""
        self._held += self._decoder.step(self._tokenizer, token) or ""
        cut = min((i for i in map(self._held.find, self._stops) if i >= 0), default=-1)
        if cut >= 0:
            self.stopped = True
            certain, self._held = self._held[:cut], ""
            return certain
        keep = len(self._held) - max((_overlap(self._held, s) for s in self._stops), default=0)
        certain, self._held = self._held[:keep], self._held[keep:]
        return certain

    def finish(self) -> str:
        """Return what was held back as a possible stop string; half a character is dropped."""
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of `text` begin `stop`."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
