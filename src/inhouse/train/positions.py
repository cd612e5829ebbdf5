"""Where a run stands in each of its sources, so that a later one goes on at what it has not seen.

A place means something only in the same rows: of the same tokens, as long, in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inhouse.train.tokens import Tokens

DIGITS = 16
CHANGED: Mapping[str, str] = {
    "tokenizer": "it has another tokenizer or template",
    "length": "its rows are of another length",
    "data": "its data changed",
    "seed": "its rows come in another order",
}
"""What each part of a place says if it is another one; the first that differs counts."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where sources begin: `at` so many samples, or `anew` at the first, for the reason given."""

    at: Mapping[str, int]
    anew: Mapping[str, str]


def place_of(tokens: Tokens, length: int, seed: int) -> dict[str, object]:
    """Return what the order of a source's samples depends on."""
    about = tokens.about
    return {
        "tokenizer": f"{about.tokenizer[:DIGITS]}{about.template[:DIGITS]}",
        "data": f"{about.fingerprint[:DIGITS]}-{about.tokens}",
        "length": length,
        "seed": seed,
    }


def begun(
    before: Mapping[str, Mapping[str, Any]], places: Mapping[str, Mapping[str, object]]
) -> Begun:
    """Return where each source begins after an earlier run.

    Args:
        before: what `positions` has returned of it.
        places: of each source now what `place_of` returns.
    """
    at, anew = {}, {}
    for name in sorted(before.keys() & places.keys()):
        other = [key for key in CHANGED if before[name].get(key) != places[name][key]]
        if other:
            anew[name] = CHANGED[other[0]]
        elif before[name]["samples"]:
            at[name] = int(before[name]["samples"])
    return Begun(at, anew)


def positions(
    before: Mapping[str, Mapping[str, Any]],
    places: Mapping[str, Mapping[str, object]],
    samples: Mapping[str, int],
) -> dict[str, Mapping[str, Any]]:
    """Return where a run stands that has drawn so many `samples` of each source, all told.

    What an earlier one has read and this one has not stays as it was.
    """
    now = {name: {**place, "samples": samples[name]} for name, place in places.items()}
    return {**before, **now}
