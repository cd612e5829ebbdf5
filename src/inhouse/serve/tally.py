"""What an answer has taken of the models it asked, known at any moment, also if it is cut off.

Who pays for it is the business of `limits`, `recording` and `metrics`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from inhouse.core.protocols import Piece, Usage
from inhouse.serve.seen import Step


@dataclass(slots=True)
class Tally:
    """The tokens of one answer so far; a stream gives its own before anything else."""

    usage: Usage = field(default_factory=partial(Usage, 0, 0))

    def add(self, more: Usage) -> None:
        """Count more tokens."""
        self.usage = Usage(
            self.usage.prompt_tokens + more.prompt_tokens,
            self.usage.completion_tokens + more.completion_tokens,
            self.usage.estimated or more.estimated,
        )

    def generation(self, read: Callable[[], int]) -> Heard:
        """See a model write, in a ``with`` block, and count what that took when it ends."""
        return Heard(self, read)


class Heard:
    """What has come of one generation: the last piece, and how many said something.

    Many APIs tell only at the end what it took, and some never. Then what was `read` is estimated,
    and each piece is taken for a token. A model that failed before it said anything took nothing.
    """

    __slots__ = ("_read", "_step", "_tally", "last", "pieces")

    def __init__(self, tally: Tally, read: Callable[[], int]) -> None:
        self._tally, self._read = tally, read
        self._step = Step("generation")
        self.last, self.pieces = Piece(""), 0

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        self.last = piece
        if piece.text or piece.calls:
            self.pieces += 1

    def __enter__(self) -> Self:
        self._step.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self.pieces or kind is None or not issubclass(kind, Exception):
            used = self.last.usage or Usage(self._read(), self.pieces, estimated=True)
            self._step.usage, self._step.finish = used, self.last.finish or "stop"
            self._tally.add(used)
        self._step.__exit__(kind, *error)
