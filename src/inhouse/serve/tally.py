"""What an answer has taken of the models it asked, known at any moment, also if it is cut off.

Who pays for it is the business of `limits`, `recording` and `metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from inhouse.core.protocols import Piece, Usage
from inhouse.serve.seen import step


@dataclass(slots=True)
class Heard:
    """What has come of one generation: the last piece, and how many said something."""

    last: Piece = field(default_factory=partial(Piece, ""))
    pieces: int = 0

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        self.last = piece
        self.pieces += bool(piece.text or piece.calls)


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

    @contextmanager
    def generation(self, read: Callable[[], int]) -> Iterator[Heard]:
        """See a model write, and count what that took when it ends, however it does.

        Many APIs tell only at the end, and some never. Then what was `read` is estimated, and each
        piece is taken for a token. A model that failed before it said anything took nothing.
        """
        heard, took = Heard(), True
        with step("generation") as it:
            try:
                yield heard
            except Exception:
                took = heard.pieces > 0
                raise
            finally:
                if took:
                    used = heard.last.usage or Usage(read(), heard.pieces, estimated=True)
                    it.usage, it.finish = used, heard.last.finish or "stop"
                    self.add(used)
