"""How good a model or a data set is, in the few words of the line that says it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def judged(summary: Mapping[str, Any]) -> list[str]:
    """Return what a summary says of quality: perplexities, accuracy, what a smaller one lost."""
    found = [words] if (words := gained(summary.get("gain", {}))) else []
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


def gained(gain: Mapping[str, Any]) -> str:
    """Return in words what new examples are worth to a classifier; nothing if nobody asked."""
    if not gain:
        return ""
    if why := gain.get("not measured"):
        return f"gain not measured: {why}"
    points, low, high = (gain[name] for name in ("gain", "low", "high"))
    what = "neither gain nor loss"
    if points:
        what = f"a {'gain' if points > 0 else 'loss'} of {abs(points):.1f} points"
    chance = " that may be chance" if points and low <= 0 <= high else ""
    return (
        f"{gain['without']:.1f} -> {gain['with']:.1f} % right of {gain['held out']} held out: "
        f"{what}{chance} ({low:+.1f} to {high:+.1f})"
    )


def worse(summaries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each data set whose new examples make a classifier worse."""
    return [
        f"{path} teaches a classifier worse than gold alone: {gained(summary['gain'])}"
        for path, summary in summaries.items()
        if summary.get("gain", {}).get("gain", 0) < 0
    ]
