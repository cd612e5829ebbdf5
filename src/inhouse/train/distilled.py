"""What a model that learns to answer as another one is off by; torch comes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.functional import kl_div, log_softmax

from inhouse.train.stream import UNLEARNT


def distances_of(model: Any, given: Mapping[str, Any], teacher: Any) -> Any:  # noqa: ANN401
    """Return how far a model is from its teacher at each token, [n, length]; 0 if not learnt.

    It is the divergence of its probabilities of all tokens from those of the teacher (Hinton et
    al., arXiv 1503.02531), which says more of a token than which one came next.
    """
    asked = {"input_ids": given["input_ids"], "position_ids": given.get("position_ids")}
    learnt = given["targets"] != UNLEARNT
    scores = log_softmax(model(**asked).logits[learnt].float(), -1)
    with torch.no_grad():
        wanted = log_softmax(teacher(**asked).logits[learnt].float(), -1)
    found = kl_div(scores, wanted, reduction="none", log_target=True).sum(-1)
    return torch.zeros(learnt.shape, device=found.device).masked_scatter(learnt, found)
