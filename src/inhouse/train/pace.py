"""How fast a model learns: tokens a second, and their share of what the machine can multiply.

It loads torch inside, for that belongs to the extra ``train``.
"""

from __future__ import annotations

import time
from typing import Any

SIDE = 1024
SECONDS = 0.2
HOUR = 3600
RECENT = 10
"""So many steps does the pace of the moment look back on."""


def work_of(model: Any, length: int) -> float:  # noqa: ANN401
    """Return the floating-point operations that a token takes in a step of training.

    Each weight of a matrix is multiplied and added three times, the last for its own gradient, if
    it learns (Kaplan et al., arXiv 2001.08361); beside it, attention looks at half of a row of
    `length` tokens on average. The matrix that looks words up multiplies nothing, unless it is the
    head as well.
    """
    head = model.get_output_embeddings()
    whole = [p for p in model.parameters() if p.ndim > 1]
    looked = model.get_input_embeddings().weight
    tied = head is not None and head.weight is looked
    used = [p for p in whole if tied or p is not looked]
    config = model.config
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    attention = 6 * config.num_hidden_layers * width * length
    return float(sum(p.numel() * (6 if p.requires_grad else 4) for p in used) + attention)


def peak(device: Any, half: bool) -> float:  # noqa: ANN401
    """Return how many floating-point operations a second large matrices reach, at best.

    They are in bfloat16 if `half`; it takes a fraction of a second.
    """
    import torch

    kind = torch.bfloat16 if half else torch.float32
    side = SIDE if device.type == "cpu" else 8 * SIDE
    left, right = (torch.ones(side, side, dtype=kind, device=device) for _ in range(2))
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        started = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2.0 * side**3 / best


def cost(seconds: float, price: tuple[float, str] | None) -> dict[str, float]:
    """Return what a time costs, by unit; nothing without the price of an hour."""
    return {price[1]: round(seconds / HOUR * price[0], 4)} if price else {}


class Pace:
    """The pace of a run, from the tokens and seconds of its steps."""

    def __init__(self, work: float, peak: float) -> None:
        """Take what a token takes and what the machine reaches, in operations."""
        self._work, self._peak = work, peak
        self._steps: list[tuple[int, float]] = []

    def add(self, tokens: int, seconds: float) -> None:
        """Note a step: how many tokens it took, and how long."""
        self._steps.append((tokens, seconds))

    def told(self) -> str:
        """Return the pace of the last steps in words."""
        rate = _rate(self._steps[-RECENT:])
        return f"{rate:,.0f} tokens/s, {self._share(rate):.0%} of the machine's peak"

    def now(self) -> dict[str, float]:
        """Return the pace of the last steps; nothing before the first."""
        rate = _rate(self._steps[-RECENT:])
        told = {"tokens_per_second": rate, "share_of_peak": self._share(rate)}
        return told if self._steps else {}

    def whole(self) -> dict[str, float]:
        """Return the pace of all steps that this process took, but the first: it is slower."""
        rate = _rate(self._steps[1:] or self._steps)
        return {"tokens_per_second": round(rate, 1), "share_of_peak": round(self._share(rate), 3)}

    def _share(self, rate: float) -> float:
        return rate * self._work / self._peak


def _rate(steps: list[tuple[int, float]]) -> float:
    return sum(tokens for tokens, _ in steps) / max(sum(seconds for _, seconds in steps), 1e-9)
