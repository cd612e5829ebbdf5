"""What findings mean for a label: who may read a text that holds personal data of these types.

Each type is a group, such as ``pii.email``, and ``pii`` is the group of those who may read all of
it. A text with an e-mail address carries the clause ``pii|pii.email``: its reader needs one of the
two. The same clauses tell whether a text is free of personal data.
"""

from __future__ import annotations

from collections.abc import Iterable

from inhouse.core.label import Label
from inhouse.guard.finding import Finding

ALL = "pii"
_OF = "pii."


def label_of(types: Iterable[str]) -> Label:
    """Return the label that a text with these types of personal data adds to its own."""
    return Label(frozenset(frozenset({ALL, _OF + kind}) for kind in types))


def label_of_findings(findings: Iterable[Finding]) -> Label:
    """Return the label that these findings add to that of their text."""
    return label_of({finding.type for finding in findings})


def types_of(label: Label) -> frozenset[str]:
    """Return the types of personal data that a label tells of; none if it is free of them."""
    return frozenset(
        group.removeprefix(_OF)
        for clause in label.clauses
        if ALL in clause
        for group in clause
        if group.startswith(_OF)
    )
