"""A text classifier of a few hundred kilobytes: convolutions over word pieces, run by numpy alone.

A convolution over static embeddings is a table: what each word piece adds at each place of each
filter is multiplied out once, when the classifier is loaded. How it learns is the business of
`inhouse.compress`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from inhouse.core.errors import BadInput
from inhouse.models import arrays
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.small import Arrays, Floats, Small, packed, steadied, unpacked

WEIGHTS, TOKENIZER = "student.safetensors", "tokenizer.json"
FILES = (WEIGHTS, TOKENIZER)
WIDTHS = (1, 2, 3)
"""How many word pieces in a row a filter reads."""
REMEMBERED, LONGEST_WORD = 20_000, 40
"""So many words are remembered with their pieces, if they are no longer than that."""


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


class Student(Small):
    """Puts texts into classes; a `core.protocols.Classifier`.

    Args:
        classes: in the order of the scores.
        tokenizer: gives word pieces, by the rows of the vectors.
        parameters: what was learnt.
        temperature: what scores are divided by, so that confidence is what it says.
        below: with less confidence it had better say nothing.
        longest: word pieces of a text that are read at most.
    """

    def __init__(
        self,
        classes: Sequence[str],
        tokenizer: Tokenizer,
        parameters: Parameters,
        *,
        temperature: float = 1.0,
        below: float = 0.0,
        longest: int = 256,
    ) -> None:
        super().__init__(classes, temperature=temperature, below=below)
        self.parameters = parameters
        self.longest = longest
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self._table = _table(parameters)
        self._size = len(parameters.filters[0])
        self._head = np.ascontiguousarray(parameters.head.T)
        self._vectors = self._table.shape[1] - parameters.vectors.shape[1]
        self._room = np.zeros(parameters.head.shape[1], np.float32)
        self._empty = np.zeros(1, np.intp)

    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many word pieces `classify` reads for these texts."""
        return sum(len(self.pieces(text)) for text in texts)

    def score(self, text: str) -> Floats:
        """Return the score of each class before it becomes a probability, float32 [classes]."""
        pieces = self.pieces(text)
        found: Floats = self._features(pieces) @ self._head
        found += self.parameters.bias
        return found

    def pieces(self, text: str) -> npt.NDArray[np.intp]:
        """Return the word pieces of a text; of an empty one the unknown piece, which is row 0.

        What stands between two spaces has the same pieces in each text, so they are remembered.
        """
        ids: list[int] = []
        for part in text.split(" "):
            known = self._known.get(part)
            ids += self._learnt(part) if known is None else known
            if len(ids) >= self.longest:
                break
        return np.array(ids[: self.longest], np.intp) if ids else self._empty

    def _learnt(self, part: str) -> list[int]:
        ids = self._tokenizer.encode(part, add_special_tokens=False).ids
        if len(part) <= LONGEST_WORD:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[part] = ids
        return ids

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
        return steadied(features)

    def save(self, folder: Path) -> None:
        """Write it into a folder: numbers, a byte each, and the tokenizer."""
        self._write(folder / WEIGHTS, _packed(self.parameters), longest=str(self.longest))
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
            temperature, below = float(read.about["temperature"]), float(read.about["below"])
            longest = int(read.about["longest"])
            _check(parameters, len(classes))
        except (KeyError, ValueError) as error:
            raise BadInput(
                f"{folder / WEIGHTS} is no student: {error}.", "Make it again."
            ) from error
        tokenizer = load_tokenizer(folder)
        if tokenizer.get_vocab_size() != len(parameters.vectors):
            raise BadInput(f"The tokenizer in {folder} is of another student.", "Make it again.")
        return cls(
            classes, tokenizer, parameters, temperature=temperature, below=below, longest=longest
        )


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
    for n, rows in zip(WIDTHS, parameters.filters, strict=True):
        found |= packed(f"filters.{n}", rows)
    return {**found, **packed("vectors", parameters.vectors), **packed("head", parameters.head)}


def _unpacked(found: Arrays) -> Parameters:
    filters = tuple(unpacked(f"filters.{n}", found) for n in WIDTHS)
    vectors, head = unpacked("vectors", found), unpacked("head", found)
    return Parameters(vectors, filters, found["offsets"], head, found["bias"])


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
