"""Hides what was found in a text: masked by its type, redacted, or with a stand-in in its place.

Stand-ins that look like what they stand for are the business of `standins`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
    for finding in findings:
        parts += [
            text[last : finding.start],
            stand_in(finding.type, text[finding.start : finding.end]),
        ]
        last = finding.end
    return "".join([*parts, text[last:]]) if parts else text


@dataclass(slots=True)
class Report:
    """What was found in many texts: how many texts there were, how many held something, of what."""

    texts: int = 0
    touched: int = 0
    types: Counter[str] = field(default_factory=Counter)

    def count(self, findings: Iterable[Sequence[Finding]]) -> None:
        """Add what was found in some texts."""
        for some in findings:
            self.texts += 1
            self.touched += bool(some)
            self.types.update(finding.type for finding in some)


def hide_all(
    texts: pa.StringArray, guard: Guard, stand_in: StandIn, report: Report | None = None
) -> pa.StringArray:
    """Return an array of texts with all that the guard finds hidden; nulls stay."""
    import pyarrow as pa

    plain = texts.to_pylist()
    found = guard.find_many([text or "" for text in plain])
    if report is not None:
        report.count(found)
    if not any(found):
        return texts
    hidden = [
        text if text is None else hide(text, some, stand_in)
        for text, some in zip(plain, found, strict=True)
    ]
    return pa.array(hidden, texts.type)
