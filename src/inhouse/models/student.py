"""A text classifier of a few hundred kilobytes: convolutions over word pieces, run by numpy alone.

A convolution over static embeddings is a table: what each word piece adds at each place of each
filter is multiplied out once, when the classifier is loaded. How it learns is the business of
`inhouse.compress`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from inhouse.core.errors import BadInput
from inhouse.models import arrays
from inhouse.models.chat_format import load_tokenizer

Floats = npt.NDArray[np.float32]
WEIGHTS, TOKENIZER = "student.safetensors", "tokenizer.json"
WIDTHS = (1, 2, 3)
"""How many word pieces in a row a filter reads."""
STEADY = 1e-5


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that a student has learnt.

    Args:
        vectors: of each word piece, float32 of shape [pieces, width].
        filters: for each of `WIDTHS`, float32 of shape [filters, n * width]; the first `width` of
            a row are for the first piece.
        offsets: what is added to the filters, float32 of shape [len(WIDTHS) * filters].
        head: the score of each class, float32 of shape [classes, len(WIDTHS) * filters + width].
        bias: what is added to the scores, float32 of shape [classes].
    """

    vectors: Floats
    filters: tuple[Floats, ...]
    offsets: Floats
    head: Floats
    bias: Floats

    def rounded(self) -> Parameters:
        """Return them as they are after they were written: a byte for each weight."""
        return _unpacked(_packed(self))


class Student:
    """Puts texts into classes; a `core.protocols.Classifier`.

    Each text is read by itself, so an answer cannot depend on what else is asked.

    Args:
        classes: in the order of the scores.
        tokenizer: gives word pieces, by the rows of the vectors.
        parameters: what was learnt.
        temperature: what scores are divided by, so that confidence is what it says.
        longest: word pieces of a text that are read at most.
    """

    def __init__(
        self,
        classes: Sequence[str],
        tokenizer: Tokenizer,
        parameters: Parameters,
        *,
        temperature: float = 1.0,
        longest: int = 256,
    ) -> None:
        self.classes = tuple(classes)
        self.parameters = parameters
        self.temperature, self.longest = temperature, longest
        self._tokenizer = tokenizer
        self._table = _table(parameters)
        self._size = len(parameters.filters[0])
        self._head = np.ascontiguousarray(parameters.head.T)
        self._vectors = self._table.shape[1] - parameters.vectors.shape[1]
        self._room = np.zeros(parameters.head.shape[1], np.float32)
        self._empty = np.zeros(1, np.intp)

    def classify(self, texts: Sequence[str]) -> Floats:
        """Return probabilities, float32 of shape [len(texts), len(classes)]."""
        found = np.empty((len(texts), len(self.classes)), np.float32)
        for place, text in enumerate(texts):
            found[place] = self.score(text)
        found /= np.float32(self.temperature)
        found -= found.max(1, keepdims=True)
        np.exp(found, out=found)
        found /= found.sum(1, keepdims=True)
        return found

    def score(self, text: str) -> Floats:
        """Return the score of each class before it becomes a probability, float32 [classes]."""
        pieces = self.pieces(text)
        found: Floats = self._features(pieces) @ self._head
        found += self.parameters.bias
        return found

    def pieces(self, text: str) -> npt.NDArray[np.intp]:
        """Return the word pieces of a text; of an empty one the unknown piece, which is row 0."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids[: self.longest]
        return np.array(ids, np.intp) if ids else self._empty

    def _features(self, pieces: npt.NDArray[np.intp]) -> Floats:
        rows, size = self._table.take(pieces, 0), self._size
        # All filters, at first with what the first piece under them adds; behind the end of a text
        # there is nothing, which adds nothing.
        reads = rows[:, : (start := size * len(WIDTHS))]
        for shift in range(1, min(len(rows), max(WIDTHS))):
            part = rows[shift:, start : (start := start + size * _longer_than(shift))]
            reads[:-shift, -part.shape[1] :] += part
        features = self._room.copy()
        np.add(reads.max(0), self.parameters.offsets, out=features[: len(self.parameters.offsets)])
        np.maximum(features, 0, out=features)
        features[len(self.parameters.offsets) :] = rows[:, self._vectors :].sum(0) / len(rows)
        features -= features.sum() / len(features)
        features /= np.sqrt(features @ features / len(features) + STEADY)
        return features

    def save(self, folder: Path, **about: str) -> None:
        """Write it into a folder: numbers, a byte each, and the tokenizer."""
        said = {
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "temperature": repr(self.temperature),
            "longest": str(self.longest),
            **about,
        }
        raw = arrays.to_bytes(arrays.Tensors(_packed(self.parameters), said))
        (folder / WEIGHTS).write_bytes(raw)
        spelled = json.dumps(json.loads(self._tokenizer.to_str()), ensure_ascii=False)
        (folder / TOKENIZER).write_text(spelled, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            BadInput: a file is missing, or holds something else.
        """
        read = arrays.read(folder / WEIGHTS)
        try:
            parameters = _unpacked(read.arrays)
            classes = json.loads(read.about["classes"])
            temperature, longest = float(read.about["temperature"]), int(read.about["longest"])
            _check(parameters, len(classes))
        except (KeyError, ValueError) as error:
            raise BadInput(
                f"{folder / WEIGHTS} is no student: {error}.", "Make it again."
            ) from error
        tokenizer = load_tokenizer(folder)
        if tokenizer.get_vocab_size() != len(parameters.vectors):
            raise BadInput(f"The tokenizer in {folder} is of another student.", "Make it again.")
        return cls(classes, tokenizer, parameters, temperature=temperature, longest=longest)


def _table(parameters: Parameters) -> Floats:
    """Return what each piece adds to the filters at each of their places, and its vector.

    float32 of shape [pieces, sum(WIDTHS) * filters + width]: the first place of all filters, then
    the second of those that have one, and so on.
    """
    vectors = parameters.vectors
    width = vectors.shape[1]
    parts = [
        rows[:, place * width : (place + 1) * width]
        for place in range(max(WIDTHS))
        for count, rows in zip(WIDTHS, parameters.filters, strict=True)
        if place < count
    ]
    return np.concatenate([vectors @ np.concatenate(parts).T, vectors], axis=1)


def _longer_than(places: int) -> int:
    return sum(count > places for count in WIDTHS)


def _packed(parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file: a signed byte for each weight, and a scale for each row."""
    found: dict[str, npt.NDArray[Any]] = {"offsets": parameters.offsets, "bias": parameters.bias}
    named = {f"filters.{n}": rows for n, rows in zip(WIDTHS, parameters.filters, strict=True)}
    for name, rows in {"vectors": parameters.vectors, "head": parameters.head, **named}.items():
        scale = np.abs(rows).max(1) / np.float32(127)
        scale[scale == 0] = 1
        found[name] = np.rint(rows / scale[:, None]).astype(np.int8)
        found[f"{name}.scale"] = scale.astype(np.float32)
    return found


def _unpacked(found: Mapping[str, npt.NDArray[Any]]) -> Parameters:
    def rows(name: str) -> Floats:
        scaled: Floats = found[name].astype(np.float32)
        scaled *= found[f"{name}.scale"][:, None]
        return scaled

    filters = tuple(rows(f"filters.{n}") for n in WIDTHS)
    return Parameters(rows("vectors"), filters, found["offsets"], rows("head"), found["bias"])


def _check(parameters: Parameters, classes: int) -> None:
    width, size = parameters.vectors.shape[1], len(parameters.filters[0])
    wanted = [(size, n * width) for n in WIDTHS]
    features = size * len(WIDTHS)
    shapes = (parameters.offsets.shape, parameters.head.shape, parameters.bias.shape)
    if [rows.shape for rows in parameters.filters] != wanted or shapes != (
        (features,),
        (classes, features + width),
        (classes,),
    ):
        raise ValueError("its arrays do not fit together")
