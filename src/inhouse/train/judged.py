"""The rows of a stream of preferences, and what people said about the answers in them.

How a model is given such a row is the business of `branches`, and what it learns of `preference`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inhouse.train.branches import Prompted, prompted
from inhouse.train.mixer import Mixer
from inhouse.train.tokens import Tokens

Signs = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Judged:
    """A row.

    Args:
        source: by place in the schedule's sources.
        sample: which sample of that source.
        row: its prompts with their answers.
        signs: int8 [answers], 1 of one that is good or chosen, -1 of one that is bad or rejected.
    """

    source: int
    sample: int
    row: Sequence[Prompted]
    signs: Signs


class JudgedRows:
    """The rows of a mixer over the tokens of preferences, step by step."""

    def __init__(self, mixer: Mixer, sources: Mapping[str, Tokens]) -> None:
        self._mixer = mixer
        self._verdicts = [sources[name].verdicts for name in mixer.schedule.sources]

    def __len__(self) -> int:
        return len(self._mixer)

    def at(self, step: int) -> Iterator[Judged]:
        """Yield the rows of a step."""
        batch = self._mixer.at(step)
        assert batch.loss is not None
        assert batch.positions is not None
        for number, (of, sample) in enumerate(
            zip(batch.source.tolist(), batch.window.tolist(), strict=True)
        ):
            row = prompted(batch.tokens[number], batch.loss[number], batch.positions[number])
            documents = self._mixer.samples[of].documents_in(sample)
            verdicts = self._verdicts[of][list(documents)].tolist()
            signs = [sign for one in verdicts for sign in ((one,) if one else (1, -1))]
            yield Judged(of, sample, list(row), np.array(signs, np.int8))


class References:
    """Numbers of each row, in a file that grows by a line a row, so that a run can go on with it.

    What was written when the machine went down counts up to the first line that is not whole.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rows = list(_whole(file)) if file.is_file() else []
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(map(_line, self._rows)), encoding="utf-8")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        return np.array(self._rows[row], np.float32)

    def add(self, values: Sequence[float]) -> None:
        """Add the numbers of the next row."""
        self._rows.append(list(values))
        with self._file.open("a", encoding="utf-8") as out:
            out.write(_line(values))


def fitting(tokens: Tokens, length: int) -> tuple[Tokens, int]:
    """Return tokens of which nothing is learnt where prompt and answers do not fit into a row.

    The second is how many documents that are; the others keep their places.
    """
    sizes = np.diff(tokens.ends, prepend=0)
    long = np.flatnonzero(sizes > length)
    if not len(long) or tokens.loss is None:
        return tokens, 0
    found = copy(tokens)
    found.loss = tokens.loss.copy()
    for document in long.tolist():
        end = int(tokens.ends[document])
        found.loss[end - int(sizes[document]) : end] = False
    return found, len(long)


def _line(values: Sequence[float]) -> str:
    return json.dumps(list(values)) + "\n"


def _whole(file: Path) -> Iterator[list[float]]:
    """Yield the rows of a file up to the first that is not whole."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:
                return
            if not line.endswith("\n") or not isinstance(found, list):
                return
            yield found
