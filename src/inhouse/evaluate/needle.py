"""Needles in a haystack: does a model find one sentence in a long text, wherever it stands?

A haystack is made of the user's own documents, and a needle says which code word a place has; the
model is to tell it from others, or to write it. Asking is the business of whoever gives `measured`
something to ask with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from inhouse.core.errors import BadInput

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
JOIN = "\n\n"
Size = Callable[[str], int]
Told = Callable[[str, Sequence[str]], Sequence[float]]
"""Returns how likely each ending is behind a text, as logarithms."""
Written = Callable[[str], str]
"""Returns how a text goes on."""
Ask = Callable[["Needle"], bool]
"""Says whether a model finds a needle."""


@dataclass(frozen=True, slots=True)
class Needle:
    """One question.

    Args:
        text: the haystack with the needle in it, and the question behind it.
        choices: how the text may go on.
        right: which of them does.
        length: how long the text was to be at most, in the unit that it was made with.
        depth: where the needle stands, from 0 at the beginning to 1 at the end.
    """

    text: str
    choices: tuple[str, ...]
    right: int
    length: int
    depth: float


def needles(
    documents: Sequence[str],
    *,
    lengths: Sequence[int],
    depths: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    times: int = 4,
    seed: int = 0,
    size: Size = len,
) -> list[Needle]:
    """Return `times` needles for each length and depth, always the same ones for a seed.

    Args:
        documents: what haystacks are made of, whole paragraphs in their order.
        lengths: how long a text is, its question included; by default in characters.
        depths: where its needle stands.
        times: how often each is asked, with other paragraphs and other needles.
        seed: what chance hangs on.
        size: measures a text, such as by the tokens of a model.

    Raises:
        BadInput: there is too little text, or too little room for a needle.
    """
    pieces = [part for text in documents for part in text.split(JOIN) if part.strip()]
    sizes = [size(part + JOIN) for part in pieces]
    if not lengths or sum(sizes) < max(lengths):
        raise BadInput(
            f"The documents are {sum(sizes):,} long, too short for such haystacks.",
            "Name more documents, or shorter lengths.",
        )
    found = []
    for length in lengths:
        for depth in depths:
            for time in range(times):
                # A seed of its own: needles of a length stay as they are if others are added.
                chance = Random(f"{seed} {length} {depth} {time}")
                found.append(_needle(pieces, sizes, length, depth, chance, size))
    return found


def by_likelihood(told: Told) -> Ask:
    """Return what finds a needle if its code word is likelier than all others."""

    def ask(needle: Needle) -> bool:
        found = told(needle.text, needle.choices)
        return max(range(len(found)), key=lambda place: found[place]) == needle.right

    return ask


def by_writing(written: Written) -> Ask:
    """Return what finds a needle if the code word is the first word that is written."""

    def ask(needle: Needle) -> bool:
        words = written(needle.text).split()
        return bool(words) and words[0].strip(".,;:!?\"'").lower() == _right(needle)

    return ask


def measured(asked: Sequence[Needle], ask: Ask) -> dict[str, object]:
    """Return how many needles are found: of all, and as a table of depths by lengths.

    Rows of the table are depths, columns lengths. `chance` is what guessing would find.
    """
    hits: dict[tuple[float, int], list[bool]] = {}
    for needle in asked:
        hits.setdefault((needle.depth, needle.length), []).append(ask(needle))
    depths, lengths = sorted({depth for depth, _ in hits}), sorted({long for _, long in hits})
    return {
        "found": fmean(hit for cell in hits.values() for hit in cell),
        "chance": 1 / CHOICES,
        "lengths": lengths,
        "depths": depths,
        "table": [[fmean(hits[depth, long]) for long in lengths] for depth in depths],
    }


def rows(report: Mapping[str, object]) -> list[list[str]]:
    """Return a report of `measured` as the rows of a table, its head first."""
    lengths, depths, table = (report[key] for key in ("lengths", "depths", "table"))
    assert isinstance(lengths, list) and isinstance(depths, list) and isinstance(table, list)
    head = ["depth", *(f"{length:,}" for length in lengths)]
    cells = ([f"{share:.0%}" for share in row] for row in table)
    return [head, *([f"{depth:.0%}", *row] for depth, row in zip(depths, cells, strict=True))]


def _needle(
    pieces: Sequence[str],
    sizes: Sequence[int],
    length: int,
    depth: float,
    chance: Random,
    size: Size,
) -> Needle:
    place = f"{chance.choice(COLOURS)} {chance.choice(PLACES)}"
    choices = chance.sample(WORDS, CHOICES)
    right = chance.randrange(CHOICES)
    said = f"The code word of the {place} is {choices[right]}."
    question = f"The code word of the {place} is"
    hay = _hay(pieces, sizes, length - size(said + JOIN) - size(question), chance)
    at = round(depth * len(hay))
    text = JOIN.join([*hay[:at], said, *hay[at:], question])
    return Needle(text, tuple(f" {choice}" for choice in choices), right, length, depth)


def _hay(pieces: Sequence[str], sizes: Sequence[int], room: int, chance: Random) -> list[str]:
    """Return paragraphs in their order, from a place by chance, as many as there is room for.

    Those that are longer than a tenth of it are left out, so that a depth can be kept.
    """
    first, found, left = chance.randrange(len(pieces)), [], room
    for step in range(len(pieces)):
        place = (first + step) % len(pieces)
        if sizes[place] <= min(left, room / 10):
            found.append(pieces[place])
            left -= sizes[place]
        if left < room / 20:
            break
    if left > room / 4:
        raise BadInput(
            f"Too few paragraphs are short enough for haystacks of {room:,}.",
            "Name more documents, or longer lengths.",
        )
    return found


def _right(needle: Needle) -> str:
    return needle.choices[needle.right].strip()
