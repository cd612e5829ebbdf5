"""Hides what was found in a text: masked by its type, redacted, or with a stand-in in its place.

Stand-ins that look like what they stand for are the business of `standins`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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
    texts: pa.StringArray, guard: Guard, stand_in: StandIn, report: Report | None = None
) -> pa.StringArray:
    """Return an array of texts with all that the guard finds hidden; nulls stay.

    A text that is JSON stays JSON: what is hidden are its strings, one by one.
    """
    import pyarrow as pa

    plain = texts.to_pylist()
    trees = [_tree(text) for text in plain]
    strings = [list(_strings(tree)) for tree in trees]
    found = iter(guard.find_many([string for some in strings for string in some]))
    hidden = []
    for text, tree, some in zip(plain, trees, strings, strict=True):
        findings = [next(found) for _ in some]
        if report is not None:
            report.count([finding for each in findings for finding in each])
        if any(findings):
            anew = map(hide, some, findings, [stand_in] * len(some))
            made = _rebuilt(tree, anew)
            text = made if isinstance(tree, str) else json.dumps(made, ensure_ascii=False)
        hidden.append(text)
    return pa.array(hidden, texts.type)


def _tree(text: str | None) -> Any:  # noqa: ANN401
    """Return what a text of JSON says, and any other text itself."""
    if text and text[0] in "{[" and text[-1] in "}]":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _strings(tree: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _strings(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _strings(value)


def _rebuilt(tree: Any, strings: Iterator[str]) -> Any:  # noqa: ANN401
    if isinstance(tree, str):
        return next(strings)
    if isinstance(tree, dict):
        return {key: _rebuilt(value, strings) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_rebuilt(value, strings) for value in tree]
    return tree
