"""From JSON schemas to grammars: bounds are exact, what cannot be promised is refused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inhouse.core.errors import BadInput
from inhouse.models.json_grammar import grammar_of
from inhouse.models.number_grammar import integers, numbers

BOUND = st.integers(-1200, 1200) | st.decimals(-30, 30, places=3).map(float)


def matches(grammar: str, text: str) -> bool:
    """Read a grammar of digits as the regular expression that it is."""
    plain = grammar.replace('"."', r"\.").replace('"-"', "-").replace('"', "").replace(" ", "")
    return re.fullmatch(plain, text) is not None


@given(BOUND, BOUND, st.booleans(), st.decimals(-35, 35, places=3), st.integers(0, 3))
def test_numbers_lie_within_their_bounds(
    one: float, other: float, strict: bool, value: Decimal, places: int
) -> None:
    low, high = sorted((one, other))
    bounds = {("exclusiveMinimum" if strict else "minimum"): low, "maximum": high}
    text = f"{value:.{places}f}"
    assume(text.strip("-0.") or not text.startswith("-"))  # no negative zero
    written = Decimal(text)
    inside = Decimal(str(low)) <= written <= Decimal(str(high)) and not (
        strict and written == Decimal(str(low))
    )
    for grammar, fits in ((numbers, inside), (integers, inside and places == 0)):
        try:
            found = matches(grammar(bounds, "$"), text)
        except BadInput:
            found = False
        assert found == fits


def test_what_is_open_is_bounded() -> None:
    assert matches(integers({}, "$"), "9" * 15)
    assert not matches(integers({}, "$"), "9" * 16)
    assert not matches(numbers({}, "$"), "1.00000")
    assert "{0,49}" in grammar_of({"type": "array", "items": {"type": "null"}})


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "string", "pattern": "a+"}, r"'pattern' at \$"),
        ({"type": "string", "maxLength": 900}, "too long to be counted"),
        ({"type": "string", "format": "email"}, "format 'email'"),
        ({"type": "integer", "multipleOf": 3}, "'multipleOf'"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "No number lies"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "do not fit"),
        ({"type": "object", "required": ["a"]}, "requires what is not"),
        ({"properties": {"a": {"type": "array", "items": {"not": {}}}}}, r"no known type at \$\.a"),
        ({"$ref": "#/$defs/a"}, "has no '#/\\$defs/a'"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "without end"),
        ({"allOf": [{"type": "null"}, {"type": "null"}]}, "'allOf'"),
        ([], "not an object"),
        ({"enum": []}, r"permits no value at \$"),
        ({"enum": 1}, "'enum' at"),
        ({"enum": [1], "const": 2}, "permits no value"),
        ({"enum": ["a"], "type": "integer"}, "permits no value"),
        ({"enum": ["a"], "type": "text"}, "no known type"),
        ({"enum": [float("nan")]}, "not finite"),
        ({"const": "a \ud800"}, "half a character"),
        ({"type": "number", "minimum": float("nan")}, "'minimum' at .* not finite"),
        ({"type": "integer", "maximum": float("inf")}, "'maximum' at .* not finite"),
        ({"type": "array", "prefixItems": 5}, "'prefixItems'"),
        ({"type": "array", "prefixItems": [{"type": "null"}], "minItems": 5}, "another end"),
        ({"type": "object", "required": 5}, "'required'"),
        ({"type": "object", "required": [[]]}, "'required'"),
        ({"type": "string", "format": []}, r"format \[\]"),
        ({"type": [[]]}, "no known type"),
        ({"$ref": []}, r"has no '\[\]'"),
        ({"type": "array", "items": {"type": "null"}, "minItems": 10**9}, "'minItems'"),
        ({"type": "array", "items": {"type": "null"}, "maxItems": "a"}, "'maxItems'"),
        ({"type": "string", "minLength": 1000}, "'minLength'"),
    ],
)
def test_what_cannot_be_promised_is_refused(schema: Any, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        grammar_of(schema)


@pytest.mark.parametrize(
    ("schema", "permitted"),
    [
        ({"enum": [1, 2, "a"], "const": 2}, ["2"]),
        ({"enum": [1, 1.0, True, "a"], "type": "integer"}, ["1", "1.0"]),
        ({"enum": [True, None, 3], "type": ["boolean", "null"]}, ["true", "null"]),
        ({"const": None}, ["null"]),
    ],
)
def test_a_value_is_permitted_by_all_that_is_said(schema: Any, permitted: list[str]) -> None:
    choices = " | ".join(f'"{text}"' for text in permitted)
    assert f" ::= {choices}\n" in grammar_of(schema) + "\n"


def test_what_is_referred_to_twice_is_written_once() -> None:
    levels: dict[str, Any] = {"l0": {"type": "null"}}
    for n in range(1, 64):
        below = {"$ref": f"#/$defs/l{n - 1}"}
        levels[f"l{n}"] = {"type": "object", "properties": {"a": below, "b": below}}
    assert len(grammar_of({"$defs": levels, "$ref": "#/$defs/l63"})) < 30_000


def test_levels_without_end_are_refused() -> None:
    schema: Any = {"type": "null"}
    for _ in range(2000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(BadInput, match="nested too deeply"):
        grammar_of(schema)
