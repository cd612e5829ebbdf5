"""How a student learns: from examples with labels, and from what a teacher makes of more texts.

Filters over static word vectors after Kim, arXiv 1408.5882; to learn the teacher's probabilities
softened by a temperature after Hinton et al., arXiv 1503.02531. Torch is imported inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from inhouse.core.stage import Progress, silent
from inhouse.models.student import STEADY, WIDTHS, Floats, Parameters, Student

if TYPE_CHECKING:
    from torch import Tensor

NO_LABEL = -1
UNLIKELY = 1e-8
SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a student learns from.

    Args:
        texts: all of them.
        labels: the class of each by number, `NO_LABEL` where nobody gave one; int64 [texts].
        taught: what the teacher makes of each, float32 of shape [texts, classes]; None without one.
    """

    texts: Sequence[str]
    labels: npt.NDArray[np.int64]
    taught: Floats | None = None


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
        softness: what the scores of student and teacher are divided by.
        seed: of all that chance decides.
    """

    width: int = 128
    filters: int = 192
    samples: int = 480_000
    batch: int = 64
    rate: float = 2e-3
    longest: int = 256
    forgotten: float = 0.07
    softness: float = 2.0
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
        _train(net, pieces, lessons, settings, progress)
    return Student(classes, tokenizer, net.parameters().rounded(), longest=settings.longest)


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

        width, filters = settings.width, settings.filters
        features = filters * len(WIDTHS) + width
        self.padding = len(vectors)
        start = torch.cat([torch.from_numpy(vectors), torch.zeros(1, width)])
        self.vectors = nn.Embedding.from_pretrained(start, freeze=False, padding_idx=self.padding)
        self.filters = [nn.Conv1d(width, filters, n) for n in WIDTHS]
        self.head = nn.Linear(features, classes)
        self.forgotten, self.learning = settings.forgotten, True
        self.modules = nn.ModuleList([self.vectors, *self.filters, self.head])

    def scores(self, pieces: Tensor) -> Tensor:
        """Return the scores of texts, [texts, classes], from their pieces [texts, longest]."""
        import torch
        from torch.nn.functional import dropout, layer_norm, pad

        there = pieces != self.padding
        if self.learning:
            lost = (torch.rand(pieces.shape) < self.forgotten) & there
            pieces = pieces.masked_fill(lost, 0)
        found = dropout(self.vectors(pieces), 0.1, training=self.learning)
        found = found * there[..., None]
        strongest = []
        for count, filters in zip(WIDTHS, self.filters, strict=True):
            reads = filters(pad(found, (0, 0, 0, count - 1)).transpose(1, 2))
            # A place behind the end is no place: else an answer would depend on its batch.
            reads = reads.masked_fill(~there[:, None], -torch.inf)
            strongest.append(reads.amax(2).relu())
        mean = found.sum(1) / there.sum(1, keepdim=True)
        features = torch.cat([*strongest, mean], 1)
        features = layer_norm(features, features.shape[1:], eps=STEADY)
        return self.head(dropout(features, 0.25, training=self.learning))

    def parameters(self) -> Parameters:
        """Return what was learnt, in the order in which a `Student` holds it."""
        with_places = [f.weight.detach().transpose(1, 2).flatten(1) for f in self.filters]
        return Parameters(
            self.vectors.weight.detach()[:-1].numpy(),
            tuple(rows.contiguous().numpy() for rows in with_places),
            np.concatenate([f.bias.detach().numpy() for f in self.filters]),
            self.head.weight.detach().numpy(),
            self.head.bias.detach().numpy(),
        )


def _train(
    net: _Net, pieces: Sequence[Any], lessons: Lessons, settings: Settings, progress: Progress
) -> None:
    import torch
    from torch.nn.utils.rnn import pad_sequence

    labels = torch.from_numpy(lessons.labels)
    taught = None if lessons.taught is None else torch.from_numpy(lessons.taught)
    optimizer = torch.optim.AdamW(net.modules.parameters(), lr=settings.rate, weight_decay=0.01)
    steps = max(settings.samples // settings.batch, 1)
    order = _order(len(pieces), steps * settings.batch, settings.seed)
    for step in range(steps):
        chosen = torch.from_numpy(order[step * settings.batch : (step + 1) * settings.batch])
        rows = pad_sequence(
            [pieces[n] for n in chosen.tolist()], batch_first=True, padding_value=net.padding
        )
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * _slope(step, steps)
        loss = _loss(
            net.scores(rows), labels[chosen], taught if taught is None else taught[chosen], settings
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress(step + 1, steps, "steps")


def _loss(scores: Tensor, labels: Tensor, taught: Tensor | None, settings: Settings) -> Tensor:
    """Return what the answers cost: mostly by the teacher's, a little by the labels."""
    from torch.nn.functional import cross_entropy, kl_div

    known = labels != NO_LABEL
    if taught is None:
        return cross_entropy(scores[known], labels[known], label_smoothing=0.05)
    soft = settings.softness
    wanted = (taught.clamp(min=UNLIKELY).log() / soft).softmax(1)
    loss = soft**2 * kl_div((scores / soft).log_softmax(1), wanted, reduction="batchmean")
    if known.any():
        loss = loss + 0.3 * cross_entropy(scores[known], labels[known])
    return loss


def _order(texts: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Return which texts are read, int64 [count]: all of them before one is read again."""
    chance = np.random.default_rng(seed)
    passes = [chance.permutation(texts) for _ in range(-(-count // texts))]
    return np.concatenate(passes)[:count]


def _slope(step: int, steps: int) -> float:
    warm = max(steps // 20, 1)
    return min((step + 1) / warm, (steps - step) / max(steps - warm, 1))
