"""How a bag of hashed parts of words learns; running it is the business of `models.bag`.

Torch is imported inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inhouse.compress.lessons import Answers, Lessons, order, slope
from inhouse.core.stage import Progress, silent
from inhouse.models.bag import Bag, Parameters, places
from inhouse.models.small import STEADY

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Settings:
    """How it learns, and how large it becomes.

    Args:
        places: that parts of words are hashed to.
        width: numbers in the vector of a place.
        samples: texts that are learnt from, repetitions counted.
        batch: texts of a step.
        rate: the highest learning rate; it rises over the first twentieth and falls to 0.
        forgotten: share of the numbers of a text that it must do without.
        seed: of all that chance decides.
    """

    places: int = 4096
    width: int = 48
    samples: int = 480_000
    batch: int = 64
    rate: float = 1e-2
    forgotten: float = 0.2
    seed: int = 0


def learn(
    classes: Sequence[str],
    lessons: Lessons,
    settings: Settings = Settings(),
    *,
    progress: Progress = silent,
) -> Bag:
    """Return a bag that has learnt its lessons, its weights already rounded to a byte each.

    Args:
        classes: their names, by the numbers in `lessons`.
        lessons: what to learn from.
        settings: how.
        progress: told of each step.

    The same arguments give the same bag, on one machine with the same number of threads.
    """
    import torch

    rows = [torch.tensor(places(text, settings.places)) for text in lessons.texts]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        vectors = torch.nn.EmbeddingBag(settings.places, settings.width, mode="mean")
        head = torch.nn.Linear(settings.width, len(classes))
        _train(vectors, head, rows, lessons, settings, progress)
    known = Parameters(*(p.detach().numpy() for p in (vectors.weight, head.weight, head.bias)))
    return Bag(classes, known.rounded())


def _train(
    vectors: Tensor,
    head: Tensor,
    rows: Sequence[Tensor],
    lessons: Lessons,
    settings: Settings,
    progress: Progress,
) -> None:
    import torch
    from torch.nn.functional import dropout, layer_norm

    answers = Answers(lessons)
    optimizer = torch.optim.AdamW(
        [*vectors.parameters(), *head.parameters()], lr=settings.rate, weight_decay=0.01, fused=True
    )
    steps = max(settings.samples // settings.batch, 1)
    for step, batch in enumerate(
        order([len(row) for row in rows], settings.batch, steps, settings.seed)
    ):
        chosen = [rows[n] for n in batch]
        ends = torch.tensor([0, *(len(row) for row in chosen)]).cumsum(0)
        found = vectors(torch.cat(chosen), ends[:-1])
        features = layer_norm(found, found.shape[1:], eps=STEADY)
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * slope(step, steps)
        loss = answers.cost(head(dropout(features, settings.forgotten)), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress(step + 1, steps, "steps")
