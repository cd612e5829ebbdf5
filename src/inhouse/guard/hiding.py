"""Hides what was found in a text: masked by its type, redacted, or with a stand-in in its place.

Stand-ins that look like what they stand for are the business of `standins`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from inhouse.guard.finding import Finding

if TYPE_CHECKING:
    import pyarrow as pa

    from inhouse.guard.guard import Guard

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
    seen.update(zip(new, guard.find_many(new), strict=True))
    hidden = []
    for text in plain:
        made, found = hide_in_text(text or "", guard, stand_in, seen[text or ""])
        hidden.append(None if text is None else made)
        if report is not None:
            report.count(found)
    return pa.array(hidden, texts.type)


def hide_in_text(
    text: str, guard: Guard, stand_in: StandIn, findings: Sequence[Finding] | None = None
) -> tuple[str, Sequence[Finding]]:
    """Return a text with all that is found in it hidden, and that; JSON stays JSON.

    `findings` are those of the text, if they are known.
    """
    if text[:1] in ("{", "[") and (tree := _read(text)) is not None:
        tree, inner = hide_in_json(tree, guard, stand_in)
        return (json.dumps(tree, ensure_ascii=False) if inner else text), inner
    found = guard.find(text) if findings is None else findings
    return hide(text, found, stand_in), found


def hide_in_json(tree: Any, guard: Guard, stand_in: StandIn) -> tuple[Any, list[Finding]]:  # noqa: ANN401
    """Return what JSON says with all that is found in its strings and numbers hidden, and that."""
    found: list[Finding] = []
    return _in_tree(tree, "", partial(_hidden, guard, stand_in, found)), found


def _read(text: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _in_tree(tree: Any, key: str, change: Callable[[str, Any], Any]) -> Any:  # noqa: ANN401
    """Return what JSON says with all strings and numbers changed; their key tells about them."""
    if isinstance(tree, dict):
        return {name: _in_tree(value, name, change) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_in_tree(value, key, change) for value in tree]
    plain = isinstance(tree, str | int | float) and not isinstance(tree, bool)
    return change(key, tree) if plain else tree


def _hidden(
    guard: Guard, stand_in: StandIn, found: list[Finding], key: str, value: str | float
) -> str | float:
    said = f"{key}: {value}"
    first = len(said) - len(str(value))
    findings = [f for f in guard.find(said) if f.start >= first]
    found += findings
    return hide(said, findings, stand_in)[first:] if findings else value
