"""Reads what stands behind a step's name in a project file, strictly, into a frozen dataclass."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from math import isnan
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from inhouse.core.errors import BadInput, nearest

T = TypeVar("T")

CALLED = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def read_settings(kind: type[T], given: object, *, main: str = "") -> T:
    """Return settings of a kind from a mapping, or from one value that stands for `main`.

    A field's type says what may stand there: bool, int, float, str, a tuple of one of them, a
    Literal, or any of them or None. Its metadata may bound a number by ``least`` and ``most``.

    Raises:
        BadInput: a key is unknown, one is missing, or a value is of another type or out of bounds.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if given is None:
        given = {}
    elif not isinstance(given, Mapping):
        if not main:
            raise BadInput("keys with values should stand here.", f"Known: {', '.join(fields)}.")
        given = {main: given}
    hints = get_type_hints(kind)
    values = {}
    for key, value in given.items():
        if key not in fields:
            near = nearest(str(key), fields)
            known = f"Did you mean {near!r}?" if near else f"Known: {', '.join(fields)}."
            raise BadInput(f"unknown key {key!r}.", known)
        values[key] = _value(key, value, hints[key], fields[key].metadata)
    for name, field in fields.items():
        unset = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if name not in values and unset:
            raise BadInput(f"{name!r} is missing.", "Add it.")
    return kind(**values)


def _value(key: str, value: object, hint: Any, bounds: Mapping[str, Any]) -> Any:  # noqa: ANN401
    origin, inner = get_origin(hint), get_args(hint)
    if type(None) in inner:
        if value is None:
            return None
        hint = next(kind for kind in inner if kind is not type(None))
        origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_value(key, item, inner[0], bounds) for item in items)
    if inner and hint not in CALLED:  # a Literal
        if value not in inner:
            near = nearest(str(value), map(str, inner))
            known = f"Did you mean {near!r}?" if near else f"Known: {', '.join(map(str, inner))}."
            raise BadInput(f"{key!r} is {_shown(value)}, which is not known.", known)
        return value
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = (
        whole or isinstance(value, float)
        if hint is float
        else whole
        if hint is int
        else isinstance(value, hint)
    )
    if not fits or (isinstance(value, float) and isnan(value)):
        raise BadInput(f"{key!r} is {_shown(value)}.", f"Write {CALLED[hint]}.")
    return _bounded(key, float(value) if hint is float else value, bounds)  # type: ignore[arg-type]


def _bounded(key: str, value: Any, bounds: Mapping[str, Any]) -> Any:  # noqa: ANN401
    least, most = bounds.get("least"), bounds.get("most")
    if least is not None and value < least:
        raise BadInput(f"{key!r} is {value}.", f"It should be {least} or more.")
    if most is not None and value > most:
        raise BadInput(f"{key!r} is {value}.", f"It should be {most} or less.")
    return value


def _shown(value: object) -> str:
    return reprlib.repr(value)
