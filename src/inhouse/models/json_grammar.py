"""Turns a JSON schema into a grammar whose every sentence is short, valid JSON of that schema.

What a schema leaves open is bounded here, since a model may write digits, spaces or items without
end; what cannot be promised is refused by name. Only a text without maxLength stays open: counting
its characters costs seconds. Grammars are in the EBNF of llama.cpp and xgrammar.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inhouse.core.errors import BadInput
from inhouse.models.number_grammar import integers, numbers

ITEMS = 50
DEPTH = 3
"""Items of an array, and how deep what is left open may be nested."""
MOST_ITEMS = 1000
"""Items of an array that a schema may ask for."""
COUNTED = 64
"""Characters of a text that are counted: each costs xgrammar 20 ms before the answer begins."""
LONGEST = 500_000
"""Characters of a grammar."""

CHARACTER = r'[^"\\\x00-\x1f\x7f] | "\\" ["\\/bfnrt]'
DATE = r'[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])'
TIME = r'([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] "Z"'
FORMATS = {
    "date": DATE,
    "time": TIME,
    "date-time": f'{DATE} "T" {TIME}',
    "uuid": "[0-9a-f]{8} " + '"-" [0-9a-f]{4} ' * 3 + '"-" [0-9a-f]{12}',
}
"""Narrower than the standards, so that whatever is written is valid: no 29th of February."""

NOTES = frozenset(
    {
        "$comment",
        "$id",
        "$schema",
        "default",
        "deprecated",
        "description",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
    }
)
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}
Schema = Mapping[str, Any]


def grammar_of(schema: object) -> str:
    """Return the grammar of a JSON schema; `schema` is what its JSON says.

    Raises:
        BadInput: it is no schema, contradicts itself, or says something that cannot be promised.
    """
    try:
        return _Writer(schema).text
    except RecursionError:
        raise BadInput("The JSON schema is nested too deeply.", "Use fewer levels.") from None


class _Writer:
    """Collects the rules of one grammar; equal rules are written once."""

    def __init__(self, schema: object) -> None:
        self._whole = schema
        self._rules: dict[str, str] = {}
        self._size = 0
        self._inside: list[str] = []
        self._referred: dict[str, str] = {}
        self._character = self._rule(CHARACTER)
        root = self._any_of(schema, "$")
        rules = [f"root ::= {root}", *(f"{name} ::= {body}" for body, name in self._rules.items())]
        self.text = "\n".join(rules)

    def _rule(self, body: str) -> str:
        if body not in self._rules:
            self._size += len(body)
            if self._size > LONGEST:
                raise BadInput("The JSON schema is too large.", "Ask for less in one answer.")
            self._rules[body] = f"r{len(self._rules)}"
        return self._rules[body]

    def _any_of(self, schema: object, place: str) -> str:
        if schema is True or schema == {}:
            return self._anything(DEPTH)
        if not isinstance(schema, dict):
            raise BadInput(f"The JSON schema is not an object at {place}.", "Write an object.")
        said = {key: value for key, value in schema.items() if key not in NOTES}
        if "$ref" in said:
            return self._reference(said, place)
        for key in ("anyOf", "oneOf", "allOf"):
            if key in said:
                return self._choices(said, key, place)
        if "enum" in said or "const" in said:
            return self._values(said, place)
        kinds = _kinds(said.pop("type", "object" if "properties" in said else None), place)
        if len(kinds) > 1:
            single = [{**said, "type": kind} for kind in kinds if kind in ("null", "boolean")]
            several = [k for k in kinds if k not in ("null", "boolean")]
            parts = [{"type": s["type"]} for s in single] + [{**said, "type": k} for k in several]
            return self._rule(" | ".join(self._any_of(part, place) for part in parts))
        return self._rule(getattr(self, f"_{kinds[0]}")(said, place))

    def _reference(self, said: dict[str, Any], place: str) -> str:
        path = str(said.pop("$ref"))
        _nothing_else(said, place, but=("$defs", "definitions"))
        if path in self._referred:
            return self._referred[path]
        if path in self._inside:
            raise BadInput(
                f"The JSON schema repeats itself without end at {place}.",
                "Write out as many levels as you need.",
            )
        target: Any = self._whole
        for part in path.removeprefix("#").strip("/").split("/"):
            target = target.get(part) if isinstance(target, dict) else None
        if not path.startswith("#/") or target is None:
            raise BadInput(f"The JSON schema has no {path!r}.", "Refer to one of its $defs.")
        self._inside.append(path)
        self._referred[path] = self._any_of(target, path)
        self._inside.pop()
        return self._referred[path]

    def _choices(self, said: dict[str, Any], key: str, place: str) -> str:
        parts = said.pop(key)
        _nothing_else(said, place, but=("$defs", "definitions"))
        if not isinstance(parts, list) or not parts or (key == "allOf" and len(parts) > 1):
            raise BadInput(f"{key!r} at {place} cannot be used.", "Give it a list; allOf of one.")
        inner = (self._any_of(part, f"{place}.{key}[{i}]") for i, part in enumerate(parts))
        return self._rule(" | ".join(inner))

    def _values(self, said: dict[str, Any], place: str) -> str:
        values = said.pop("enum") if "enum" in said else [said["const"]]
        if not isinstance(values, list):
            raise BadInput(f"'enum' at {place} is no list.", "Write a list of values.")
        written = {_json(value): value for value in values}
        if "const" in said:
            const = _json(said.pop("const"))
            written = {text: value for text, value in written.items() if text == const}
        if "type" in said:
            kinds = _kinds(said.pop("type"), place)
            written = {text: v for text, v in written.items() if any(_is(v, k) for k in kinds)}
        _nothing_else(said, place)
        if not written:
            raise BadInput(f"The JSON schema permits no value at {place}.", "Permit one.")
        return self._rule(" | ".join(map(literal, written)))

    def _null(self, said: dict[str, Any], place: str) -> str:
        _nothing_else(said, place)
        return '"null"'

    def _boolean(self, said: dict[str, Any], place: str) -> str:
        _nothing_else(said, place)
        return '"true" | "false"'

    def _integer(self, said: dict[str, Any], place: str) -> str:
        body = integers(_bounds(said), place)
        _nothing_else(said, place)
        return body

    def _number(self, said: dict[str, Any], place: str) -> str:
        body = numbers(_bounds(said), place)
        _nothing_else(said, place)
        return body

    def _string(self, said: dict[str, Any], place: str) -> str:
        form = said.pop("format", None)
        if form is not None and form not in list(FORMATS):
            raise BadInput(
                f"The format {form!r} at {place} cannot be promised.",
                f"Use {', '.join(FORMATS)}, or leave it out.",
            )
        open_ended = "maxLength" not in said
        least, most = _sizes(said, "Length", place, usual=COUNTED, limit=COUNTED)
        _nothing_else(said, place)
        if form is not None:
            return f'"\\"" {FORMATS[form]} "\\""'
        if open_ended:
            least_ones = f"{self._character}{{{least}}} " if least else ""
            return f'"\\"" {least_ones}{self._character}* "\\""'
        return f'"\\"" {self._character}{{{least},{most}}} "\\""'

    def _array(self, said: dict[str, Any], place: str) -> str:
        parts = _list_of(object, "prefixItems", said, place)
        first = [self._any_of(part, f"{place}[{i}]") for i, part in enumerate(parts)]
        items = said.pop("items", not first)
        least, most = _sizes(said, "Items", place, usual=ITEMS, limit=MOST_ITEMS)
        _nothing_else(said, place)
        if first:
            open_ended = items is not False and (least, most) != (len(first), len(first))
            if open_ended or not least <= len(first) <= most:
                raise BadInput(
                    f"The array at {place} has a beginning and another end.",
                    "Set minItems and maxItems to the number of prefixItems.",
                )
            return f'"[" {_joined(first)} "]"'
        return self._list(self._any_of(items, f"{place}[]"), least, most, "[]")

    def _object(self, said: dict[str, Any], place: str) -> str:
        said.pop("$defs", None), said.pop("definitions", None)
        properties = said.pop("properties", {})
        required = _list_of(str, "required", said, place)
        more = said.pop("additionalProperties", not properties)
        _nothing_else(said, place)
        if not isinstance(properties, dict) or set(required) - set(properties):
            raise BadInput(
                f"The object at {place} requires what is not among its properties.",
                "Describe every required property.",
            )
        if not properties:
            return self._map(self._any_of(more, f"{place}.*")) if more is not False else '"{}"'
        return f'"{{" {self._members(properties, set(required), place)} "}}"'

    def _members(self, properties: Schema, required: set[str], place: str) -> str:
        """Return what stands between the braces: commas only between those that are there."""
        after, alone = '""', '""'
        for name, schema in reversed(list(properties.items())):
            key = literal(_json(name) + ":")
            pair = self._rule(f"{key} {self._any_of(schema, f'{place}.{name}')}")
            first = f"{pair} {after}"
            alone = self._rule(first if name in required else f"{first} | {alone}")
            after = self._rule(
                f'"," {pair} {after}' if name in required else f'"," {pair} {after} | {after}'
            )
        return alone

    def _list(self, item: str, least: int, most: int, ends: str) -> str:
        open_, close = (literal(end) for end in ends)
        if most == 0:
            return f"{open_} {close}"
        some = f'{open_} {item} ("," {item}){{{max(least - 1, 0)},{most - 1}}} {close}'
        return some if least else f"{open_} {close} | {some}"

    def _map(self, value: str) -> str:
        key = self._rule(f'"\\"" {self._character}+ "\\""')
        return self._list(self._rule(f'{key} ":" {value}'), 0, ITEMS, "{}")

    def _anything(self, depth: int) -> str:
        plain = [self._any_of({"type": t}, "$") for t in ("string", "number", "boolean", "null")]
        if depth:
            inner = self._anything(depth - 1)
            plain += [self._rule(self._list(inner, 0, ITEMS, "[]")), self._rule(self._map(inner))]
        return self._rule(" | ".join(plain))


def literal(text: str) -> str:
    """Return the terminal that is exactly this text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _json(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        text.encode()
    except ValueError:
        raise BadInput(
            "The JSON schema has a number that is not finite, or half a character.", "Mend it."
        ) from None
    return text


def _kinds(said: object, place: str) -> list[str]:
    kinds: list[Any] = said if isinstance(said, list) else [said]
    if not kinds or any(kind not in list(TYPES) for kind in kinds):
        raise BadInput(f"The JSON schema has no known type at {place}.", f"Use {', '.join(TYPES)}.")
    return kinds


def _is(value: object, kind: str) -> bool:
    """Say whether a value is of a type of JSON schema, where 1.0 is an integer too."""
    if isinstance(value, float) and kind == "integer":
        return value.is_integer()
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, TYPES[kind])


def _list_of(kind: type, name: str, said: dict[str, Any], place: str) -> list[Any]:
    found = said.pop(name, [])
    if not isinstance(found, list) or not all(isinstance(each, kind) for each in found):
        raise BadInput(f"{name!r} at {place} is no list of what it should hold.", "Mend the list.")
    return found


def _joined(parts: Sequence[str]) -> str:
    return ' "," '.join(parts)


def _bounds(said: dict[str, Any]) -> dict[str, Any]:
    names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    return {name: said.pop(name) for name in names if name in said}


def _sizes(said: dict[str, Any], of: str, place: str, *, usual: int, limit: int) -> tuple[int, int]:
    """Return the least and greatest size; up to `limit` may be asked for, `usual` is the most."""
    for name in (f"min{of}", f"max{of}"):
        size = said.get(name, 0)
        if type(size) is not int or size < 0:
            raise BadInput(f"{name!r} at {place} is no size.", "Give a whole number from 0 on.")
        if size > limit:
            raise BadInput(
                f"{name!r} at {place} is too long to be counted.",
                f"Set it to at most {limit}, or leave it out.",
            )
    least = said.pop(f"min{of}", 0)
    most = said.pop(f"max{of}", max(usual, least))
    if least > most:
        raise BadInput(f"min{of} and max{of} at {place} do not fit.", "Widen them.")
    return least, most


def _nothing_else(said: Mapping[str, Any], place: str, *, but: Iterable[str] = ()) -> None:
    left = sorted(said.keys() - set(but))
    if left:
        raise BadInput(
            f"The JSON schema says {left[0]!r} at {place}, which cannot be promised.",
            "Leave it out and check the answer, or write a grammar.",
        )
