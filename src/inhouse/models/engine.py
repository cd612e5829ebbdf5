"""What an engine is: token ids in, token ids out, many conversations at once.

Text, templates and stop strings are `language`'s business. A LoRA adapter is in the weights that
an engine is opened with (`adapter`), so a request names none: engines that take one at each request
would have to be trusted not to ignore it, as OpenVINO does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from inhouse.core.errors import BadField, Incapable
from inhouse.core.nouns import Message
from inhouse.core.protocols import ConstraintKind, Sampling


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt and how to go on from it. The answer ends at any token of `stops`."""

    prompt: Sequence[int]
    sampling: Sampling
    stops: frozenset[int]


@dataclass(frozen=True, slots=True)
class Step:
    """A token, its log-probability, and the likeliest tokens in its place with theirs."""

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do beyond choosing tokens by temperature and top_p with a seed."""

    constraints: frozenset[ConstraintKind] = frozenset()
    logprobs: bool = False
    penalties: bool = False
    logit_bias: bool = False
    prefix_cache: bool = False
    tools: bool = False


@dataclass(frozen=True, slots=True)
class Stats:
    """What an engine does now, and has done since it was loaded.

    A request waits until its first token has come. `batch` is how many requests the last step had,
    `cache` the share of the cache in use, and `cached` how many tokens of prompts were found in it.
    `retries` are requests to somebody's API that were sent again, `failures` those that failed for
    good. None is what an engine does not tell.
    """

    running: int
    waiting: int
    requests: int
    tokens_read: int
    tokens_written: int
    cache: float | None = None
    batch: int | None = None
    cached: int | None = None
    retries: int | None = None
    failures: int | None = None


class Engine(Protocol):
    """Runs a model. It is used from one event loop at a time."""

    @property
    def capacity(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What requests may ask for."""
        ...

    def submit(self, request: Request) -> AsyncGenerator[Step, None]:
        """Stream the tokens of the answer, the stop token included; closing it aborts.

        The request must be valid (`check_sampling`, `check_capable`) and fit the capacity.

        Raises:
            BadInput: the constraint is none.
            InhouseError: the engine has failed.
        """
        ...

    def score(self, tokens: Sequence[int], top: int) -> AsyncGenerator[Step, None]:
        """Stream the tokens with their log-probabilities and the `top` likeliest in their place.

        The first token has none. The tokens must fit the capacity.

        Raises:
            InhouseError: the engine has failed.
        """
        ...

    def stats(self) -> Stats:
        """Say what it does and has done."""
        ...

    async def close(self) -> None:
        """Stop the engine and free its memory; running answers fail."""
        ...


@runtime_checkable
class Branches(Protocol):
    """An engine that reads a beginning once for several texts that go on from it."""

    def score_endings(
        self, beginning: Sequence[int], endings: Sequence[Sequence[int]]
    ) -> AsyncGenerator[Step, None]:
        """Stream the tokens of one ending after the other with their log-probabilities.

        Raises:
            InhouseError: the engine has failed.
        """
        ...


def check_sampling(sampling: Sampling) -> None:
    """Do nothing if every setting is in range.

    Raises:
        BadField: one is not.
    """
    s = sampling
    checks = {
        "max_tokens": (s.max_tokens is None or s.max_tokens >= 1, "at least 1"),
        "temperature": (s.temperature == 0 or 0.001 <= s.temperature <= 2, "0, or 0.001 to 2"),
        "top_p": (0.001 <= s.top_p <= 1, "from 0.001 to 1"),
        "repetition_penalty": (
            s.repetition_penalty is None or 0.5 <= s.repetition_penalty <= 2,
            "from 0.5 to 2",
        ),
        "frequency_penalty": (-2 <= s.frequency_penalty <= 2, "from -2 to 2"),
        "presence_penalty": (-2 <= s.presence_penalty <= 2, "from -2 to 2"),
        "top_k": (s.top_k is None or s.top_k >= 1, "at least 1"),
        "min_p": (0 <= s.min_p < 1, "from 0 to below 1"),
        "logprobs": (s.logprobs is None or 0 <= s.logprobs <= 20, "from 0 to 20"),
        "logit_bias": (all(-100 <= bias <= 100 for _, bias in s.logit_bias), "from -100 to 100"),
        "stop": (all(s.stop), "texts that are not empty"),
        "seed": (s.seed is None or 0 <= s.seed < 2**63, "from 0 to 2**63 - 1"),
    }
    for name, (fits, range_) in checks.items():
        if not fits:
            what = f"{name} is {getattr(sampling, name)!r}."
            raise BadField(name, what, f"It must be {range_}.")


def check_capable(
    sampling: Sampling,
    able: Capabilities,
    messages: Sequence[Message] = (),
    *,
    who: str = "The engine of this model",
    kind: type[BadField] = Incapable,
) -> None:
    """Do nothing if `who` answers can do all that is asked for.

    Raises:
        BadField: it cannot, as that `kind`; never is a setting ignored.
    """
    constraint = sampling.constraint
    wanted = {
        "logprobs": (sampling.logprobs is not None, able.logprobs),
        "logit_bias": (bool(sampling.logit_bias), able.logit_bias),
        "frequency_penalty": (sampling.frequency_penalty != 0, able.penalties),
        "presence_penalty": (sampling.presence_penalty != 0, able.penalties),
        "tools": (sampling.tools is not None or any(map(_of_tools, messages)), able.tools),
        constraint.kind if constraint else "constraint": (
            constraint is not None,
            constraint is not None and constraint.kind in able.constraints,
        ),
    }
    for name, (asked, can) in wanted.items():
        if asked and not can:
            raise kind(
                name,
                f"{who} cannot do {name}.",
                "Leave it out, or use one that can.",
            )


def _of_tools(message: Message) -> bool:
    return message.role == "tool" or bool(message.calls)
