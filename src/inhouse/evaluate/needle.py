"""Needles in a haystack: does a model find one sentence in a long text, wherever it stands?

A haystack is made of the user's own documents, and a needle says which code word a place has; the
model is to tell it from others. Asking is done in `examining`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Any

import orjson

from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.evaluate.papers import DATA, JOIN, Hidden, drawn
from inhouse.evaluate.rows import FILE

PLACES = (
    "archive", "harbour", "library", "workshop", "kitchen", "garden", "station", "cellar",
    "office", "theatre", "market", "tower",
)  # fmt: skip
COLOURS = ("blue", "red", "green", "yellow", "white", "black", "brown", "grey")
WORDS = (
    "river", "candle", "window", "bottle", "feather", "ladder", "mirror", "pepper",
    "button", "carpet", "engine", "forest", "guitar", "hammer", "island", "jacket",
)  # fmt: skip
CHOICES = 8
CHARACTERS = 4
"""So many characters are taken for a token: which model is asked is not known beforehand."""
ROOM = 8


@dataclass(frozen=True, slots=True)
class Hide:
    """Texts of which lengths, in tokens, at how many depths a needle stands, and how many each."""

    lengths: tuple[int, ...]
    depths: int
    times: int


def hide(spec: Hide, inputs: Inputs, ctx: Context) -> Result:
    """Hide needles in documents of the input ``data``, always the same ones.

    Raises:
        BadInput: it holds rows of another kind, or too little text.
    """
    longest = max(spec.lengths, default=0) * CHARACTERS
    documents, held = [], 0
    for row in drawn(inputs[DATA], "needle"):
        documents.append(row["text"])
        held += len(row["text"])
        if held > ROOM * longest:
            break
    made = needles(documents, lengths=spec.lengths, depths=spec.depths, times=spec.times)
    lines = (
        {
            "text": one.text, "choices": one.choices, "answer": one.right,
            "length": one.length, "depth": one.depth,
        }
        for one in made
    )  # fmt: skip
    (ctx.work / FILE).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return Result({"kind": "needle", "questions": len(made), "kinds": []})


STAGE = Stage("evaluate.needle", 1, hide)


def needles(
    documents: Sequence[str], *, lengths: Sequence[int], depths: int, times: int
) -> list[Hidden]:
    """Return so many needles for each length and depth, always the same ones.

    Args:
        documents: what haystacks are made of, whole paragraphs in their order.
        lengths: how long a text is, its question included, in tokens of four characters.
        depths: at how many places a needle stands, from the beginning to the end.
        times: how often each is asked, with other paragraphs and other needles.

    Raises:
        BadInput: there is too little text, or too little room for a needle.
    """
    pieces = [part for text in documents for part in text.split(JOIN) if part.strip()]
    held = sum(len(part + JOIN) for part in pieces) // CHARACTERS
    if held < max(lengths):
        raise BadInput(
            f"The documents have about {held:,} tokens, too few for such haystacks.",
            "Name a data set that has more, or shorter lengths.",
        )
    return [
        # A seed of its own: needles of a length stay as they are if others are added.
        _needle(pieces, length, depth, Random(f"{length} {depth} {time}"))
        for length in lengths
        for depth in (place / max(depths - 1, 1) for place in range(depths))
        for time in range(times)
    ]


def table(marks: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return which share is found, by depth and length, as the rows of a table, its head first."""
    hits: dict[tuple[float, int], list[float]] = {}
    for mark in marks:
        hits.setdefault((mark["depth"], mark["length"]), []).append(mark["right"])
    depths, lengths = (sorted(set(each)) for each in zip(*hits, strict=True))
    head = ["depth", *(f"{length:,}" for length in lengths)]
    return [
        head,
        *(
            [f"{depth:.0%}", *(f"{fmean(hits[depth, length]):.0%}" for length in lengths)]
            for depth in depths
        ),
    ]


def _needle(pieces: Sequence[str], length: int, depth: float, chance: Random) -> Hidden:
    place = f"{chance.choice(COLOURS)} {chance.choice(PLACES)}"
    choices = chance.sample(WORDS, CHOICES)
    right = chance.randrange(CHOICES)
    said = f"The code word of the {place} is {choices[right]}."
    question = f"The code word of the {place} is"
    hay = _hay(pieces, length * CHARACTERS - len(said + JOIN + question), chance)
    at = round(depth * len(hay))
    text = JOIN.join([*hay[:at], said, *hay[at:], question])
    return Hidden(text, tuple(choices), right, length=length, depth=depth)


def _hay(pieces: Sequence[str], room: int, chance: Random) -> list[str]:
    """Return paragraphs in their order, from a place by chance, as many as there is room for.

    Those that are longer than a tenth of it are left out, so that a depth can be kept.
    """
    first, found, left = chance.randrange(len(pieces)), [], room
    for step in range(len(pieces)):
        place = (first + step) % len(pieces)
        size = len(pieces[place] + JOIN)
        if size <= min(left, room / 10):
            found.append(pieces[place])
            left -= size
        if left < room / 20:
            break
    if left > room / 4:
        raise BadInput(
            f"Too few paragraphs are short enough for haystacks of {room:,} characters.",
            "Name more documents, or longer lengths.",
        )
    return found
