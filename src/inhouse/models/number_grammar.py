"""Grammars of numbers between bounds, digit by digit. Their place in a schema is `json_grammar`'s.

A number without bounds has up to 15 digits before its point, the most that survive a float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import isfinite

from inhouse.core.errors import BadInput

DIGITS = 15
DECIMALS = 4
"""After the point, where a number may have one."""

Digits = tuple[tuple[int, int], ...]
"""From first to last digit, the least and the greatest that may stand there."""


def integers(bounds: Mapping[str, object], place: str) -> str:
    """Return the grammar of whole numbers within `bounds`, keywords of JSON schema.

    Raises:
        BadInput: a bound is not a number, or nothing lies between them.
    """
    if not bounds:
        return f'"-"? ("0" | [1-9] [0-9]{{0,{DIGITS - 1}}})'
    return _union(_scaled(bounds, 0, place), place)


def numbers(bounds: Mapping[str, object], place: str) -> str:
    """Return the grammar of numbers within `bounds`, with at most four decimals."""
    if not bounds:
        return f'{integers({}, place)} ("." [0-9]{{1,{DECIMALS}}})?'
    return _union((p for n in range(DECIMALS + 1) for p in _scaled(bounds, n, place)), place)


def _union(parts: Iterator[str], place: str) -> str:
    found = " | ".join(parts)
    if not found:
        raise BadInput(f"No number lies between the bounds at {place}.", "Widen them.")
    return found


def _scaled(bounds: Mapping[str, object], decimals: int, place: str) -> Iterator[str]:
    """Yield grammars of the numbers with exactly so many decimals."""
    low, high = _limits(bounds, decimals, place)
    if low < 0:
        for digits in _between(max(1, -high), -low, decimals):
            yield f'"-" {_written(digits, decimals)}'
    if high >= 0:
        for digits in _between(max(0, low), high, decimals):
            yield _written(digits, decimals)


def _limits(bounds: Mapping[str, object], decimals: int, place: str) -> tuple[int, int]:
    """Return the least and greatest allowed value, as a whole number of its last decimal."""
    scale = Decimal(10) ** decimals
    low, high = int(1 - 10**DIGITS * scale), int(10**DIGITS * scale - 1)
    for name, bound in bounds.items():
        if not isinstance(bound, int | float) or isinstance(bound, bool):
            raise BadInput(f"{name!r} at {place} is not a number.", "Write a number.")
        if isinstance(bound, float) and not isfinite(bound):
            raise BadInput(f"{name!r} at {place} is not finite.", "Leave it out.")
        value, strict = Decimal(str(bound)) * scale, int(name.startswith("exclusive"))
        if name.lower().endswith("minimum"):
            whole = int(value.to_integral_value(ROUND_CEILING))
            low = max(low, whole + strict if whole == value else whole)
        else:
            whole = int(value.to_integral_value(ROUND_FLOOR))
            high = min(high, whole - strict if whole == value else whole)
    return low, high


def _between(low: int, high: int, decimals: int) -> Iterator[Digits]:
    """Yield patterns of digits that together are the numbers from low to high.

    Numbers have at least one digit before the point, and no zeros before that one.
    """
    shortest = decimals + 1
    for size in range(shortest, max(shortest, len(str(high))) + 1):
        least = 0 if size == shortest else 10 ** (size - 1)
        first, last = max(low, least), min(high, 10**size - 1)
        if first <= last:
            yield from _same_size(f"{first:0{size}}", f"{last:0{size}}")


def _same_size(low: str, high: str) -> Iterator[Digits]:
    if not low:
        yield ()
        return
    first, last = int(low[0]), int(high[0])
    rest = len(low) - 1
    if first == last:
        yield from (((first, last), *more) for more in _same_size(low[1:], high[1:]))
        return
    if low[1:] != "0" * rest:
        yield from (((first, first), *more) for more in _same_size(low[1:], "9" * rest))
        first += 1
    tail: list[Digits] = []
    if high[1:] != "9" * rest:
        tail = [((last, last), *more) for more in _same_size("0" * rest, high[1:])]
        last -= 1
    if first <= last:
        yield ((first, last), *[(0, 9)] * rest)
    yield from tail


def _written(digits: Digits, decimals: int) -> str:
    classes = [f"[{a}-{b}]" if a < b else f'"{a}"' for a, b in digits]
    if decimals:
        classes.insert(len(classes) - decimals, '"."')
    return " ".join(classes)
