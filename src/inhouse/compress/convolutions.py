"""How a student with filters over word pieces learns; running it is the business of `student`.

Filters over static word vectors are after Kim, arXiv 1408.5882. Torch is imported inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from inhouse.compress.lessons import UNLIKELY, Answers, Lessons, order, slope
from inhouse.core.stage import Progress, silent
from inhouse.models.small import STEADY, Floats
from inhouse.models.student import WIDTHS, Parameters, Student

if TYPE_CHECKING:
    from torch import Tensor

SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """How it learns, and how large it becomes.

    Args:
        width: numbers in a vector of a word piece.
        filters: for each number of pieces that filters read.
        samples: texts that are learnt from, repetitions counted.
        batch: texts of a step.
        rate: the highest learning rate; it rises over the first twentieth and falls to 0.
        longest: word pieces of a text that are read at most.
        forgotten: share of word pieces that it must do without.
        seed: of all that chance decides.
    """

    width: int = 128
    filters: int = 192
    samples: int = 480_000
    batch: int = 64
    rate: float = 2e-3
    longest: int = 256
    forgotten: float = 0.07
    seed: int = 0


def learn(
    classes: Sequence[str],
    tokenizer: Tokenizer,
    vectors: Floats,
    lessons: Lessons,
    settings: Settings = Settings(),
    *,
    progress: Progress = silent,
) -> Student:
    """Return a student that has learnt its lessons, its weights already rounded to a byte each.

    Args:
        classes: their names, by the numbers in `lessons`.
        tokenizer: a small one, whose first piece is the unknown one.
        vectors: where the word pieces start, float32 of shape [pieces, any width].
        lessons: what to learn from.
        settings: how.
        progress: told of each step.

    The same arguments give the same student, on one machine with the same number of threads.
    """
    import torch

    encoded = tokenizer.encode_batch_fast(list(lessons.texts), add_special_tokens=False)
    pieces = [torch.tensor(one.ids[: settings.longest] or [0]) for one in encoded]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = _Net(narrowed(vectors, settings.width), settings, len(classes))
        _train(net, pieces, Answers(lessons), settings, progress)
    return Student(classes, tokenizer, net.learnt().rounded(), longest=settings.longest)


def narrowed(vectors: Floats, width: int) -> Floats:
    """Return the principal parts of vectors, float32 of shape [pieces, width].

    They are centred, and scaled as a whole; what is missing of `width` is 0.
    """
    centred = vectors - vectors.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    found = centred @ directions[:width].T
    found *= SPREAD / max(float(found.std()), UNLIKELY)
    return np.pad(found, ((0, 0), (0, width - found.shape[1]))).astype(np.float32)


class _Net:
    """A student while it learns."""

    def __init__(self, vectors: Floats, settings: Settings, classes: int) -> None:
        import torch
        from torch import nn

        width, size = settings.width, settings.filters
        self.padding, self.size = len(vectors), size
        start = torch.cat([torch.from_numpy(vectors), torch.zeros(1, width)])
        self.vectors = nn.Embedding.from_pretrained(start, freeze=False, padding_idx=self.padding)
        self.filters = [nn.Linear(n * width, size) for n in WIDTHS]
        self.head = nn.Linear(size * len(WIDTHS) + width, classes)
        self.forgotten, self.learning = settings.forgotten, True
        self.modules = nn.ModuleList([self.vectors, *self.filters, self.head])

    def scores(self, pieces: Tensor) -> Tensor:
        """Return the scores of texts, [texts, classes], from their pieces [texts, longest]."""
        import torch
        from torch.nn.functional import dropout, layer_norm

        there = pieces != self.padding
        if self.learning:
            lost = (torch.rand(pieces.shape) < self.forgotten) & there
            pieces = pieces.masked_fill(lost, 0)
        found = dropout(self.vectors(pieces), 0.1, training=self.learning)
        found = found * there[..., None]
        # A place behind the end is no place: else an answer would depend on its batch.
        nowhere = torch.zeros(there.shape).masked_fill(~there, -torch.inf)[..., None]
        strongest = ((self._reads(found) + nowhere).amax(1) + self._offsets()).relu()
        mean = found.sum(1) / there.sum(1, keepdim=True)
        features = torch.cat([strongest, mean], 1)
        features = layer_norm(features, features.shape[1:], eps=STEADY)
        return self.head(dropout(features, 0.25, training=self.learning))

    def _reads(self, found: Tensor) -> Tensor:
        """Return what all filters make of each place, [texts, longest, filters], by one product.

        Each piece is multiplied with all places of all filters; then the places behind the first
        are moved to where their filter stands, which a convolution does many times over.
        """
        import torch
        from torch.nn.functional import pad

        width = found.shape[2]
        rows = torch.cat(
            [
                filters.weight[:, place * width : (place + 1) * width]
                for place in range(max(WIDTHS))
                for count, filters in zip(WIDTHS, self.filters, strict=True)
                if place < count
            ]
        )
        sizes = [self.size * sum(n > place for n in WIDTHS) for place in range(max(WIDTHS))]
        parts = (found @ rows.T).split(sizes, 2)
        reads = parts[0]
        for shift, part in enumerate(parts[1:], 1):
            moved = part[:, shift:]
            reads = reads + pad(
                moved, (reads.shape[2] - part.shape[2], 0, 0, reads.shape[1] - moved.shape[1])
            )
        return reads

    def _offsets(self) -> Tensor:
        import torch

        return torch.cat([filters.bias for filters in self.filters])

    def learnt(self) -> Parameters:
        """Return what was learnt, in the order in which a `Student` holds it."""
        return Parameters(
            self.vectors.weight.detach()[:-1].numpy(),
            tuple(filters.weight.detach().numpy() for filters in self.filters),
            self._offsets().detach().numpy(),
            self.head.weight.detach().numpy(),
            self.head.bias.detach().numpy(),
        )


def _train(
    net: _Net, pieces: Sequence[Tensor], answers: Answers, settings: Settings, progress: Progress
) -> None:
    import torch
    from torch.nn.utils.rnn import pad_sequence

    optimizer = torch.optim.AdamW(
        net.modules.parameters(), lr=settings.rate, weight_decay=0.01, fused=True
    )
    steps = max(settings.samples // settings.batch, 1)
    lengths = [len(one) for one in pieces]
    for step, batch in enumerate(order(lengths, settings.batch, steps, settings.seed)):
        rows = pad_sequence([pieces[n] for n in batch], batch_first=True, padding_value=net.padding)
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * slope(step, steps)
        loss = answers.cost(net.scores(rows), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress(step + 1, steps, "steps")
