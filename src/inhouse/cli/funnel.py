"""The funnel of a data set on a terminal: what came in, what each step left, and by which rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from inhouse.cli.terminal import console, count, in_words, print_table

WIDTH = 30
RULES = 8


def print_funnel(funnel: Sequence[Mapping[str, Any]]) -> None:
    """Print a funnel as it stands in the summary of a data set, and draw it; nothing if empty."""
    from inhouse.data.account import tokens

    if not funnel:
        return
    console.print()
    before = funnel[0]["rows"]
    rows, whole = [], before or 1
    for number, step in enumerate(funnel):
        share = step["rows"] / whole
        rows.append(
            (
                f"{number}. {step['step']}" if number else "came in",
                f"{step['rows']:,}",
                f"-{before - step['rows']:,}" if before > step["rows"] else "",
                f"{step['changed']:,}" if step["changed"] else "",
                f"{sum(step['flagged'].values()):,}" if step["flagged"] else "",
                count(tokens(step["characters"])),
                f"{'█' * round(min(share, 1) * WIDTH):{WIDTH}} {share:.1%}",
            )
        )
        before = step["rows"]
    print_table(("step", "rows", "dropped", "changed", "noted", "≈ tokens", ""), rows)
    for number, step in enumerate(funnel):
        for what in ("dropped", "flagged"):
            found = sorted(step[what].items(), key=lambda pair: -pair[1])
            if found:
                listed = [f"{rule.replace('_', ' ')} {times:,}" for rule, times in found[:RULES]]
                left = len(found) - RULES
                more = f", and {left} more rule{'s' * (left > 1)}" if left > 0 else ""
                verb = "dropped" if what == "dropped" else "noted"
                words = ", ".join(listed) + more
                console.print(escape(f"  {number}. {step['step']} {verb}: {words}"))
        if more := in_words(step.get("told")):
            console.print(escape(f"  {number}. {step['step']}: {more}"))
