"""What a part of a step loses: a model's tensors, its scores, and the precision it computes in.

The loop around it is `trainer`. It loads torch with itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from inhouse.train.mixer import Mixer
from inhouse.train.stream import UNLEARNT, Part, parts_of


def has_bfloat16(device: Any) -> bool:  # noqa: ANN401
    """Say whether a device multiplies in bfloat16 by itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    able: Callable[[str], bool] = torch.cpu.get_capabilities().get
    return device.type == "cpu" and any(map(able, ("avx512_bf16", "amx_bf16", "bf16")))


def tensors_of(part: Part) -> dict[str, Any]:
    """Return a part as the tensors that a step takes."""
    found = {
        "input_ids": torch.from_numpy(part.tokens),
        "targets": torch.from_numpy(part.targets),
        "source": torch.from_numpy(part.source),
        "learnt": torch.tensor(part.learnt),
    }
    if part.positions is not None:
        found["position_ids"] = torch.from_numpy(part.positions)
    return found


def losses_of(model: Any, given: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the loss at each token, [n, length]; 0 where nothing is learnt.

    Only places are scored at which some row learns: to score all words is a fifth of the work of a
    small model, and half of a chat is said by others. Packed texts are told apart by their
    positions alone: with an attention mask beside them transformers would let each see those
    before it.
    """
    places = (given["targets"] != UNLEARNT).any(0).nonzero().flatten()
    targets = given["targets"][:, places]
    scores = model(
        input_ids=given["input_ids"],
        position_ids=given.get("position_ids"),
        logits_to_keep=places,
    ).logits
    flat = cross_entropy(
        scores.flatten(0, 1).float(), targets.flatten(), ignore_index=UNLEARNT, reduction="none"
    )
    found = torch.zeros(given["targets"].shape, device=flat.device)
    return found.index_copy(1, places, flat.view(targets.shape))


def learnt_parts(mixer: Mixer, step: int) -> list[Part]:
    """Return the parts of a step; none if nothing in it is learnt."""
    batch = mixer.at(step)
    if batch.loss is not None and not batch.loss[:, 1:].any():
        return []
    return parts_of(batch, rows=1)


def precision(device: Any, half: bool) -> Any:  # noqa: ANN401
    """Return the context in which a device computes: in bfloat16 if `half`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=half)
