"""What the processes of one run tell one another; alone, each is told what it said.

Which rows a process learns from is the business of `stream`, starting them that of `processes`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist

Sums = Mapping[int, tuple[float, int]]


def rank() -> int:
    """Return which of the processes this one is; the first, which writes, is 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Return how many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def backend() -> str | None:
    """Return by what they talk; None if there is only one."""
    return dist.get_backend() if dist.is_initialized() else None


def summed(sums: Sums, size: int) -> dict[int, tuple[float, int]]:
    """Return pairs of a sum and a count, by numbers below `size`, added up over all processes."""
    if world() == 1:
        return dict(sums)
    whole = torch.zeros(size, 2, dtype=torch.float64)
    for place, pair in sums.items():
        whole[place] = torch.tensor(pair)
    whole = whole.to(device())
    dist.all_reduce(whole)
    return {
        place: (total, int(count))
        for place, (total, count) in enumerate(whole.tolist())
        if count or place in sums
    }


def agreed(said: bool) -> bool:
    """Return what the first process says: clocks differ, and all must do the same."""
    if world() == 1:
        return said
    found = torch.tensor(said, dtype=torch.uint8, device=device())
    dist.broadcast(found, 0)
    return bool(found)


def gathered(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Return the tensor of each process, in their order; all have one shape."""
    if world() == 1:
        return [tensor]
    mine = tensor.to(device())
    found = [torch.empty_like(mine) for _ in range(world())]
    dist.all_gather(found, mine)
    return [one.cpu() for one in found]


def device() -> torch.device:
    """Return where tensors lie of which they tell one another."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
