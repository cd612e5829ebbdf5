"""What an engine is: token ids in, token ids out, many conversations at once.

Text, templates and stop strings are `language`'s business.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from inhouse.core.errors import BadInput
from inhouse.core.protocols import Sampling


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt and how to go on from it. The answer ends at any token of `stops`."""

    prompt: Sequence[int]
    sampling: Sampling
    stops: frozenset[int]


class Engine(Protocol):
    """Runs a model. It is used from one event loop at a time."""

    @property
    def capacity(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    def submit(self, request: Request) -> AsyncGenerator[int, None]:
        """Stream the tokens of the answer, the stop token included; closing it aborts.

        The request must be valid (`check_sampling`) and fit the capacity.

        Raises:
            InhouseError: the engine has failed.
        """
        ...

    async def close(self) -> None:
        """Stop the engine and free its memory; running answers fail."""
        ...


def check_sampling(sampling: Sampling) -> None:
    """Do nothing if every setting is in range.

    Raises:
        BadInput: one is not.
    """
    checks = {
        "max_tokens": (sampling.max_tokens >= 1, "at least 1"),
        "temperature": (
            sampling.temperature == 0 or 0.001 <= sampling.temperature <= 2,
            "0, or from 0.001 to 2",
        ),
        "top_p": (0.001 <= sampling.top_p <= 1, "from 0.001 to 1"),
        "repetition_penalty": (
            sampling.repetition_penalty is None or 0.5 <= sampling.repetition_penalty <= 2,
            "from 0.5 to 2",
        ),
        "stop": (all(sampling.stop), "texts that are not empty"),
        "seed": (sampling.seed is None or 0 <= sampling.seed < 2**63, "from 0 to 2**63 - 1"),
    }
    for name, (fits, range_) in checks.items():
        if not fits:
            raise BadInput(f"{name} is {getattr(sampling, name)!r}.", f"It must be {range_}.")
