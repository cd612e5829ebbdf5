"""How a language model is made of documents alone: words, blank weights, and the training of these.

It says stage, spec and parents; the table of all types of entries is in `model_steps`.
"""

from __future__ import annotations

from collections.abc import Sequence

from inhouse.project.made import Around, Made
from inhouse.project.scratch_schema import Scratch
from inhouse.project.train_steps import VOCABULARY, check_rows, read_of, tokens_of
from inhouse.project.watching import watched
from inhouse.train import blank, language, vocabulary
from inhouse.train.processes import check_even
from inhouse.train.sizes import TOKENS_PER_PARAMETER, pace, sizes_of

BLANK = "blank"


def scratch(name: str, entry: Scratch, around: Around) -> Sequence[Made]:
    """Return how a model is made and trained, what it needs for that first.

    Raises:
        BadInput: it cannot learn from the mix, or its processes cannot share out the rows.
    """
    check_rows(entry, around.recipes)
    path = f"models/{name}"
    words, base = f"{path}/{VOCABULARY}", f"{path}/{BLANK}"
    sizes = sizes_of(entry.size, entry.vocabulary)
    made = blank.Blank(entry.size, sizes.words, entry.length)
    read = [tokens_of(path, ref, around.project) for ref in entry.sources]
    learnt = [(ref, one.path) for ref, one in zip(entry.sources, read, strict=True)]
    spec = vocabulary.Vocabulary(_shares(entry), sizes.words)
    parents = [(language.BASE, base), *learnt, *((ref, ref) for ref in entry.watch.suites)]
    return [
        Made(words, vocabulary.STAGE, spec, [(ref, ref) for ref in entry.sources]),
        Made(base, blank.STAGE, made, [(blank.VOCABULARY, words)]),
        *read,
        Made(path, watched(language.STAGE), _spec(name, entry, around), parents),
    ]


def _spec(name: str, entry: Scratch, around: Around) -> language.Language:
    sizes = sizes_of(entry.size, entry.vocabulary)
    read = read_of(entry)
    if entry.mix is not None and not entry.budget and entry.legs[0].by == "weight":
        read["tokens"] = TOKENS_PER_PARAMETER * sizes.parameters
    tokens = read.get("tokens") or sum(leg.read or 0 for leg in entry.legs)
    # Where it is not known how many there are, rate and batch are given.
    rate, step = pace(sizes, tokens or TOKENS_PER_PARAMETER * sizes.parameters)
    batch = entry.batch or max(1, round(step / entry.length))
    check_even(entry.processes or 1, batch)
    return language.Language(
        method="scratch",
        **read,
        length=entry.length,
        batch=batch,
        rate=entry.rate or round(rate, 6),
        lora=0,
        watch=entry.watch.every,
        processes=entry.shared_by,
        **entry.aside(name, around.root),
    )


def _shares(entry: Scratch) -> tuple[tuple[str, float], ...]:
    """Return the share of each data set over all that is read; all 0 if it is as they hold."""
    shares = dict.fromkeys(entry.sources, 0.0)
    for leg in entry.legs:
        whole = sum(number for _, number in leg.mix)
        if not whole or leg.by == "repeat":
            return tuple((name, 0.0) for name in shares)
        for name, number in leg.mix:
            shares[name] += number / whole * (leg.read or 1)
    return tuple(shares.items())
