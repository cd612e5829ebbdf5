"""How an encoder with fewer layers learns to do the work of all of them.

It starts as some of the layers of the whole one, and learns the teacher's probabilities, and what
each of its layers makes of a text: the mean of the tokens' states (after Sanh et al., arXiv
1910.01108, and Jiao et al., arXiv 1909.10351). Torch and transformers are imported inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from inhouse.compress.lessons import Answers, Lessons, order, slope
from inhouse.core.stage import Progress, silent
from inhouse.models.classifier import Linear
from inhouse.models.heads import Head
from inhouse.models.weights import Weights

if TYPE_CHECKING:
    from torch import Tensor

READ_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """How it learns.

    Args:
        samples: texts that are learnt from, repetitions counted.
        batch: texts of a step.
        rate: the highest learning rate; it rises over the first twentieth and falls to 0.
        longest: tokens of a text that are read at most.
        alike: what it costs that states are unlike those of the whole encoder.
        seed: of all that chance decides.
    """

    samples: int = 40_000
    batch: int = 32
    rate: float = 1.5e-4
    longest: int = 128
    alike: float = 10.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Encoder:
    """Weights, the tokenizer and head that belong to them, and the layers of a whole encoder.

    `layers` says for each of its own which one of the whole encoder it is, or shall be like.
    """

    weights: Weights
    tokenizer: Tokenizer
    head: Head
    layers: Sequence[int]


def learn(
    small: Encoder,
    whole: Encoder,
    lessons: Lessons,
    settings: Settings = Settings(),
    *,
    progress: Progress = silent,
) -> Encoder:
    """Return what an encoder with fewer layers has learnt.

    Args:
        small: the encoder to start with.
        whole: the encoder that it shall be like.
        lessons: what to learn from; they say what the teacher makes of each.
        settings: how.
        progress: told of each step.
    """
    import torch

    texts = _drawn(lessons, settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        rows = _tokens(whole, texts.texts, settings.longest)
        states = _states(loaded(whole.weights), rows, [layer + 1 for layer in small.layers])
        model, head = loaded(small.weights), _Head(small.head)
        task = _Task(_tokens(small, texts.texts, settings.longest), states, Answers(texts))
        _train(model, head, task, settings, progress)
    learnt = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    shapes = {name: array.shape for name, array in learnt.items()}
    weights = Weights(small.weights.config, shapes, learnt.__getitem__)
    return replace(small, weights=weights, head=head.head())


class _Task(NamedTuple):
    """The tokens of texts, the states that a whole encoder has for each, and right answers."""

    rows: Sequence[Sequence[int]]
    states: Tensor
    answers: Answers


def _drawn(lessons: Lessons, settings: Settings) -> Lessons:
    """Return as many lessons as are learnt from, those with labels first."""
    order = np.argsort(lessons.labels < 0, kind="stable")[: settings.samples // 2]
    texts = [lessons.texts[row] for row in order]
    taught = None if lessons.taught is None else lessons.taught[order]
    return Lessons(texts, lessons.labels[order], taught)


def _tokens(encoder: Encoder, texts: Sequence[str], longest: int) -> list[list[int]]:
    tokenizer = Tokenizer.from_str(encoder.tokenizer.to_str())
    tokenizer.enable_truncation(longest)
    tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text
    return [one.ids for one in tokenizer.encode_batch_fast(list(texts))]


def loaded(weights: Weights) -> Any:  # noqa: ANN401 - of transformers
    """Return an encoder as torch runs it, in its state for reading."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig.from_dict(dict(weights.config))
    model = BertModel(config, add_pooling_layer=False)
    prefix = "" if "embeddings.word_embeddings.weight" in weights else "bert."
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(
        {n: torch.tensor(weights.take(f"{prefix}{n}", *shape)) for n, shape in shapes.items()}
    )
    return model.eval()


def _means(model: Any, rows: Sequence[Sequence[int]], layers: Sequence[int]) -> Tensor:  # noqa: ANN401
    """Return the mean states of texts behind some layers, [texts, layers, width]."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    mask = pad_sequence([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True)
    states = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    found = torch.stack([states[layer] for layer in layers], 1)
    weighed = mask / mask.sum(1, keepdim=True)
    return torch.einsum("tlpw,tp->tlw", found, weighed)


def _states(model: Any, rows: Sequence[Sequence[int]], layers: Sequence[int]) -> Tensor:  # noqa: ANN401
    """Return what `_means` does for many texts, in 16 bits; no gradient is kept."""
    import torch

    by_length = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    found = torch.empty((len(rows), len(layers), model.config.hidden_size), dtype=torch.float16)
    with torch.inference_mode():
        for start in range(0, len(rows), READ_AT_ONCE):
            some = by_length[start : start + READ_AT_ONCE]
            found[some] = _means(model, [rows[row] for row in some], layers).half()
    return found


class _Head:
    """A head while it learns: on vectors that are made longer, so that its rate fits any width."""

    def __init__(self, head: Head) -> None:
        import torch

        weights = torch.tensor(head.linear.weights)
        self._classes, self._below = head.linear.classes, head.below
        self._length = float(len(weights) - 1) ** 0.5
        self.weights = torch.nn.Parameter(weights[:-1] / self._length)
        self.bias = torch.nn.Parameter(weights[-1].clone())

    def scores(self, means: Tensor) -> Tensor:
        """Return the scores [texts, classes] of the mean states of texts."""
        from torch.nn.functional import normalize

        return normalize(means, dim=-1) * self._length @ self.weights + self.bias

    def head(self) -> Head:
        """Return it as it is served."""
        import torch

        both = torch.cat([self.weights * self._length, self.bias[None]]).detach().numpy()
        return Head(Linear(self._classes, both), self._below)


def _train(
    model: Any,  # noqa: ANN401 - of transformers
    head: _Head,
    task: _Task,
    settings: Settings,
    progress: Progress,
) -> None:
    import torch
    from torch.nn.functional import cosine_similarity

    optimizer = torch.optim.AdamW(
        [*model.parameters(), head.weights, head.bias], lr=settings.rate, fused=True
    )
    steps = max(settings.samples // settings.batch, 1)
    layers = range(1, task.states.shape[1] + 1)
    lengths = [len(row) for row in task.rows]
    for step, batch in enumerate(order(lengths, settings.batch, steps, settings.seed)):
        means = _means(model, [task.rows[row] for row in batch], layers)
        unlike = 1 - cosine_similarity(means, task.states[batch].float(), dim=-1)
        loss = task.answers.cost(head.scores(means[:, -1]), batch)
        loss = loss + settings.alike * unlike.mean()
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * slope(step, steps)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        progress(step + 1, steps, "steps")
