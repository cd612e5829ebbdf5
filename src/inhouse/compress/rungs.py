"""The ladder: ways to make a classifier small, from the smallest to the largest.

Each writes a classifier into a folder, as it is served. Which of them is kept is the business of
`classifier`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inhouse.compress import bags, convolutions, depth, encoders
from inhouse.compress.lessons import Lessons
from inhouse.compress.vocabulary import trimmed
from inhouse.core.stage import Progress
from inhouse.models import heads, student
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.weights import open_weights

BAG = (4096, 48)
"""Places that parts of words are hashed to, and numbers in the vector of each."""
CONVOLUTIONS = ((64, 96), (128, 192), (192, 256))
"""Width and filters."""
COMMON = 6000
"""So many of the most frequent word pieces stay in an encoder, beside those in use."""
OF_DEPTH = 12
"""So many times fewer texts does an encoder learn from: it knows the language already."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all rungs start from.

    Args:
        encoder: folder of the encoder and its head, as it was trained.
        classes: by the numbers in the lessons.
        own: the texts that say which words are in use.
        lessons: what to learn from.
        samples: texts that a student learns from, repetitions counted.
        seed: of all that chance decides.
    """

    encoder: Path
    classes: Sequence[str]
    own: Sequence[str]
    lessons: Lessons
    samples: int
    seed: int


@dataclass(frozen=True, slots=True)
class Rung:
    """A way to make a classifier small.

    Args:
        name: what it is called.
        make: writes it into a folder.
        least: bytes that it has at least, as far as that is known before.
    """

    name: str
    make: Callable[[Ground, Path, Progress], None]
    least: int = 0


def ladder(encoder: Path) -> list[Rung]:
    """Return the rungs for an encoder, the smallest first."""
    layers, each = encoders.layers_of(encoder), encoders.bytes_of_a_layer(encoder)
    found = [Rung("hashed words", _bag)]
    found += [Rung(f"convolution {w}x{f}", _convolution(w, f)) for w, f in CONVOLUTIONS]
    if layers > 1:
        some = len(encoders.half(layers))
        found.append(Rung(f"{some} of {layers} layers, int8", _half, some * each))
    return [*found, Rung(f"{layers} layers, int8", _whole, layers * each)]


def _bag(ground: Ground, folder: Path, progress: Progress) -> None:
    places, width = BAG
    settings = bags.Settings(places=places, width=width, samples=ground.samples, seed=ground.seed)
    bags.learn(ground.classes, ground.lessons, settings, progress=progress).save(folder)


def convolution(
    ground: Ground, settings: convolutions.Settings, progress: Progress
) -> student.Student:
    """Return a student with filters over the word pieces that are in use."""
    tokenizer, rows = trimmed(load_tokenizer(ground.encoder), ground.own)
    vectors = encoders.said_alone(ground.encoder, rows)
    return convolutions.learn(
        ground.classes, tokenizer, vectors, ground.lessons, settings, progress=progress
    )


def _convolution(width: int, filters: int) -> Callable[[Ground, Path, Progress], None]:
    def make(ground: Ground, folder: Path, progress: Progress) -> None:
        settings = convolutions.Settings(
            width=width, filters=filters, samples=ground.samples, seed=ground.seed
        )
        convolution(ground, settings, progress).save(folder)

    return make


def _half(ground: Ground, folder: Path, progress: Progress) -> None:
    layers = encoders.layers_of(ground.encoder)
    whole = depth.Encoder(
        open_weights(ground.encoder), load_tokenizer(ground.encoder), _head(ground), range(layers)
    )
    settings = depth.Settings(samples=max(ground.samples // OF_DEPTH, 1), seed=ground.seed)
    start = _start(ground, encoders.half(layers))
    learnt = depth.learn(start, whole, ground.lessons, settings, progress=progress)
    encoders.write(folder, learnt, ground.encoder)


def _whole(ground: Ground, folder: Path, progress: Progress) -> None:
    start = _start(ground, range(encoders.layers_of(ground.encoder)))
    encoders.write(folder, start, ground.encoder)
    progress(1, 1, "steps")


def _start(ground: Ground, layers: Sequence[int]) -> depth.Encoder:
    """Return the encoder with some layers and the words in use."""
    whole = load_tokenizer(ground.encoder)
    tokenizer, rows = trimmed(whole, ground.own, common=COMMON, special=True)
    weights = encoders.cut(open_weights(ground.encoder), rows, layers)
    return depth.Encoder(weights, tokenizer, _head(ground), layers)


def _head(ground: Ground) -> heads.Head:
    return heads.load(ground.encoder, open_weights(ground.encoder).config["hidden_size"])
