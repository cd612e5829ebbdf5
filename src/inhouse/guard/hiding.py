"""Hides what was found in a text: masked by its type, redacted, or with a stand-in in its place.

Stand-ins that look like what they stand for are the business of `standins`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
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

    A text that is JSON stays JSON.
    """
    import pyarrow as pa

    plain = texts.to_pylist()
    hidden = []
    for text, findings in zip(plain, guard.find_many([t or "" for t in plain]), strict=True):
        made = hide(text, findings, stand_in) if findings else text
        if findings and _is_json(text) and not _is_json(made):
            made = json.dumps(_in_strings(json.loads(text), guard, stand_in), ensure_ascii=False)
        hidden.append(made)
        if report is not None:
            report.count(findings)
    return pa.array(hidden, texts.type)


def _is_json(text: str) -> bool:
    if text[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _in_strings(tree: Any, guard: Guard, stand_in: StandIn) -> Any:  # noqa: ANN401
    if isinstance(tree, str):
        return hide(tree, guard.find(tree), stand_in)
    if isinstance(tree, dict):
        return {key: _in_strings(value, guard, stand_in) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_in_strings(value, guard, stand_in) for value in tree]
    return tree
