"""Hides what was found in a text: masked by its type, redacted, or with a stand-in in its place.

Stand-ins that look like what they stand for are the business of `standins`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from inhouse.guard.finding import Finding
from inhouse.guard.patterns import FORMS

if TYPE_CHECKING:
    import pyarrow as pa

    from inhouse.guard.guard import Guard

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
DEEPEST = 100
"""Levels of JSON that are read as such."""

StandIn = Callable[[str, str], str]
"""Gives what takes the place of a finding, by its type and its text."""


def mask(kind: str, _value: str) -> str:
    """Return the type in brackets, such as ``[EMAIL]``."""
    return f"[{kind.upper()}]"


def redact(_kind: str, _value: str) -> str:
    """Return a bar that tells neither the type nor the length."""
    return "█████"


def hide(text: str, findings: Iterable[Finding], stand_in: StandIn) -> str:
    """Return the text with each finding's stand-in in its place.

    `findings` are in the order of the text and do not overlap.
    """
    parts, last = [], 0
    for start, end, kind, _ in findings:
        parts += [text[last:start], stand_in(kind, text[start:end])]
        last = end
    return "".join([*parts, text[last:]]) if parts else text


@dataclass(slots=True)
class Report:
    """What was found in many texts: how many texts there were, how many held something, of what."""

    texts: int = 0
    touched: int = 0
    types: Counter[str] = field(default_factory=Counter)

    def count(self, findings: Sequence[Finding]) -> None:
        """Add what was found in a text."""
        self.texts += 1
        self.touched += bool(findings)
        self.types.update(finding.type for finding in findings)


def hide_all(
    texts: pa.StringArray,
    guard: Guard,
    stand_in: StandIn,
    report: Report | None = None,
    *,
    known: Mapping[str, Sequence[Finding]] | None = None,
) -> pa.StringArray:
    """Return an array of texts with all that the guard finds hidden; nulls stay.

    A text that is JSON stays JSON. `known` are the findings of texts that were looked at already.
    """
    import pyarrow as pa

    plain = texts.to_pylist()
    seen = dict(known or {})
    new = [text for text in dict.fromkeys(t or "" for t in plain) if text not in seen]
    seen.update(zip(new, look(new, guard), strict=True))
    hidden = []
    for text in plain:
        made, found = hide_in_text(text or "", guard, stand_in, seen[text or ""])
        hidden.append(None if text is None else made)
        if report is not None:
            report.count(found)
    return pa.array(hidden, texts.type)


def look(texts: Sequence[str], guard: Guard) -> list[Sequence[Finding]]:
    """Return what would be hidden in each text; in JSON, places are those in its parts."""
    trees = [tree_of(text) for text in texts]
    plain = [_spelt_out(text) for text, tree in zip(texts, trees, strict=True) if tree is None]
    found = iter(guard.find_many(plain))
    return [next(found) if tree is None else hide_in_json(tree, guard, mask)[1] for tree in trees]


def hide_in_text(
    text: str, guard: Guard, stand_in: StandIn, findings: Sequence[Finding] | None = None
) -> tuple[str, Sequence[Finding]]:
    """Return a text with all that is found in it hidden, and that; JSON stays JSON.

    `findings` are those of the text, if they are known.
    """
    if (tree := tree_of(text)) is not None:
        tree, inner = hide_in_json(tree, guard, stand_in)
        return (_written(tree) if inner else text), inner
    plain = _spelt_out(text)
    found = guard.find(plain) if findings is None else findings
    return (hide(plain, found, stand_in) if found else text), found


def hide_in_json(tree: Any, guard: Guard, stand_in: StandIn) -> tuple[Any, list[Finding]]:  # noqa: ANN401
    """Return what JSON says with all that is found in it hidden, and that.

    In names of fields what has a form is hidden too: a name by itself is no sentence to find people
    in.
    """
    leaves: list[str] = []

    def read(key: str | None, value: str | float) -> str | float:
        leaves.append(_said(key, value))
        return value

    _in_tree(tree, "", read)
    looked = iter(zip(leaves, guard.find_many(leaves), strict=True))
    found: list[Finding] = []

    def hidden(key: str | None, value: str | float) -> str | float:
        said, findings = next(looked)
        first = len(said) - len(str(value))
        findings = [
            f for f in findings if f.start >= first and (key is not None or f.type in FORMS)
        ]
        found.extend(findings)
        return hide(said, findings, stand_in)[first:] if findings else value

    return _in_tree(tree, "", hidden), found


def _spelt_out(text: str) -> str:
    """Return text that begins as JSON does, but is not read so, with its letters for escapes."""
    if text[:1] not in ("{", "["):
        return text
    return _ESCAPE.sub(_letter, text)


def _letter(escape: re.Match[str]) -> str:
    """Return the letter that an escape stands for, if JSON is still JSON with it."""
    letter = chr(int(escape[1], 16)) if escape[1] else ""
    return letter if letter and letter.isprintable() and letter not in '"\\' else escape[0]


def _written(tree: Any) -> str:  # noqa: ANN401
    text = json.dumps(tree, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, which only an escape can say
        return json.dumps(tree)
    return text


def tree_of(text: str) -> Any:  # noqa: ANN401
    """Return what JSON says; None for other text, for numbers beyond a float, and too deep nests.

    Where a field stands twice, the second one has a number.
    """
    if text[:1] not in ("{", "["):
        return None
    try:
        tree = json.loads(text, object_pairs_hook=_apart, parse_float=_exact, parse_constant=_none)
    except (ValueError, RecursionError):
        return None
    layer = [tree]
    for _ in range(DEEPEST):
        inner = (one.values() if isinstance(one, dict) else one for one in layer)
        layer = [one for some in inner for one in some if isinstance(one, dict | list)]
        if not layer:
            return tree
    return None


def _exact(said: str) -> float:
    found = float(said)
    if not isfinite(found) or Decimal(repr(found)) != Decimal(said):
        raise ValueError("it would not be the same number again")
    return found


def _none(said: str) -> float:
    raise ValueError(f"{said} is no JSON")


def _apart(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a mapping; a name that comes again gets a number."""
    found: dict[str, Any] = {}
    times: Counter[str] = Counter()
    for name, value in pairs:
        new = name
        while new in found:
            times[name] += 1
            new = f"{name} {times[name] + 1}"
        found[new] = value
    return found


def _in_tree(tree: Any, key: str, change: Callable[[str | None, Any], Any]) -> Any:  # noqa: ANN401
    """Return what JSON says with all strings and numbers changed; their key tells about them.

    A name of a field is changed without any.
    """
    if isinstance(tree, dict):
        return _apart(
            (str(change(None, name)), _in_tree(value, name, change)) for name, value in tree.items()
        )
    if isinstance(tree, list):
        return [_in_tree(value, key, change) for value in tree]
    plain = isinstance(tree, str | int | float) and not isinstance(tree, bool)
    return change(key, tree) if plain else tree


def _said(key: str | None, value: str | float) -> str:
    return f"{key}: {value}" if key else str(value)
