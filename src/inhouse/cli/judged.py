"""How good a model is, in the few words of the line that says it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def judged(summary: Mapping[str, Any]) -> list[str]:
    """Return what a summary says of quality: perplexities, accuracy, what a smaller one lost."""
    found = []
    perplexity = summary.get("perplexity")
    if isinstance(perplexity, dict):
        several = len(perplexity) > 1
        for source, (before, after) in perplexity.items():
            of = f" of {source}" if several else ""
            found.append(f"perplexity{of} {before:,.2f} -> {after:,.2f}")
    for source, held in (summary.get("held") or {}).items():
        before, after = held.get("accuracy") or (None, None)
        if before is not None:
            found.append(f"answers of {source} told apart {before:.0%} -> {after:.0%}")
    if isinstance(accuracy := summary.get("accuracy"), float):
        found.append(f"accuracy {accuracy:.1%}")
    kept = "within" if summary.get("within") else "over"
    rise = summary.get("rise")
    if isinstance(rise, dict) and "share" in rise:
        form = summary.get("form")
        found.append(f"{form}: perplexity {rise['share']:+.1%} ({kept} its budget)")
    loss = summary.get("loss")
    if isinstance(loss, dict) and "points" in loss:
        found.append(f"{loss['points']:+.2f} points ({kept} its budget)")
    found += [f"{much:,.2f} {unit}" for unit, much in (summary.get("cost") or {}).items()]
    return found
