"""Models without weights, for trying things out and for tests: an echo and a hash.

They are deterministic and take no time; they are not clever.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, Sequence

import numpy as np
import numpy.typing as npt

from inhouse.core.errors import TooLong
from inhouse.core.nouns import Message
from inhouse.core.protocols import NEW_TOKENS, Finish, Piece, Sampling, Usage
from inhouse.models.engine import Capabilities, check_capable, check_sampling

WORD = re.compile(r"\w+")


class EchoModel:
    """A language model that says the last message back, word by word; a token is a word."""

    def __init__(self, name: str = "echo", *, context_tokens: int = 4096) -> None:
        self._name = name
        self._context_tokens = context_tokens

    @property
    def name(self) -> str:
        """What it is called in responses."""
        return self._name

    @property
    def context_tokens(self) -> int:
        """How many words prompt and answer may have together."""
        return self._context_tokens

    def count(self, messages: Sequence[Message]) -> int:
        """Return how many words the messages have."""
        return sum(len(m.content.split()) for m in messages)

    async def chat(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        """Stream the last message back, up to `max_tokens` words or a stop string.

        Raises:
            BadInput: a setting is out of range.
            TooLong: the prompt leaves no room for an answer.
        """
        check_sampling(sampling)
        check_capable(sampling, Capabilities(), messages)
        read = self.count(messages)
        room = self._context_tokens - read
        if room < 1:
            raise TooLong(read, self._context_tokens - 1)
        longest = min(sampling.max_tokens or NEW_TOKENS, room)
        words = re.findall(r"\s*\S+", messages[-1].content) if messages else []
        answer = "".join(words[:longest])
        finish: Finish = "stop" if len(words) <= longest else "length"
        cuts = [i for i in map(answer.find, sampling.stop) if i >= 0]
        if cuts:
            answer, finish = answer[: min(cuts)], "stop"
        pieces = re.findall(r"\s*\S+|\s+\Z", answer)
        for piece in pieces:
            yield Piece(piece)
        yield Piece("", finish, Usage(read, len(pieces)))

    async def close(self) -> None:
        """Hold nothing, free nothing."""


class HashEmbedder:
    """An embedder that hashes words into places: texts that share words are near each other."""

    def __init__(self, width: int = 256) -> None:
        self._width = width

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self._width

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, float32 of shape [len(texts), width]."""
        vectors = np.zeros((len(texts), self._width), np.float32)
        for row, text in enumerate(texts):
            for word in WORD.findall(text.lower()) or [""]:
                digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
                vectors[row, int.from_bytes(digest) % self._width] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / norms, np.float32)

    def embed_tokens(
        self, texts: Sequence[str], *, starts: Sequence[int]
    ) -> tuple[npt.NDArray[np.float32], list[npt.NDArray[np.float32]]]:
        """Return what `embed` does, and a unit vector for each word from its start on."""
        words = [
            [word.group() for word in WORD.finditer(text) if word.start() >= start]
            for text, start in zip(texts, starts, strict=True)
        ]
        return self.embed(texts), [HashEmbedder.embed(self, found) for found in words]

    def pieces(self, text: str) -> list[str]:
        """Return the words."""
        return WORD.findall(text)

    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many words there are."""
        return sum(len(WORD.findall(text)) for text in texts)
