"""Weights of which each process holds a part (FSDP; Zhao et al., arXiv 2304.11277), and whole ones.

A layer is whole only while it is used: gradients and what the optimiser keeps stay in parts. Where
nothing is split, a tensor is its only part. It loads torch with itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from inhouse.train import together


def split(model: Any) -> None:  # noqa: ANN401
    """Keep in each process its part of the model, layer by layer; all have the same one before."""
    mesh = init_device_mesh(together.device().type, (together.world(),))
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    layers = [m for m in inner.modules() if type(m).__name__ in (inner._no_split_modules or ())]
    for module in (*layers, model):
        # The outermost stays whole between forward and backward if nothing is said, and so would
        # an optimiser that is made after a measurement find it.
        fully_shard(module, mesh=mesh, reshard_after_forward=True)
    # Else the Trainer of transformers moves it to a device, and wraps it for equal copies.
    inner._is_distributed_loading_by_transformers = True


def learning(model: Any) -> Iterator[tuple[str, Tensor]]:  # noqa: ANN401
    """Yield the weights that learn, by name."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def whole(named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Return tensors put together in main memory, in the first process; nothing in the others.

    All processes name the same at the same time.
    """
    found = {}
    for name, value in named:
        tensor = value.full_tensor().cpu() if isinstance(value, DTensor) else value
        if not together.rank():
            found[name] = tensor
    return found


def part(tensor: Tensor, like: Tensor) -> Tensor:
    """Return what this process holds of a whole tensor that belongs to the weight `like`."""
    if not isinstance(like, DTensor) or tensor.shape != like.shape:
        return tensor
    own = tensor.to(like.device)
    return distribute_tensor(own, like.device_mesh, like.placements, src_data_rank=None)


def united(model: Any, plain: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Return the model that `plain` makes with the weights of a split one, in the first process.

    The others return the split one.
    """
    learnt = whole(learning(model))
    if together.rank():
        return model
    found = plain()
    with torch.no_grad():
        for name, value in learning(found):
            value.copy_(learnt[name])
    return found
