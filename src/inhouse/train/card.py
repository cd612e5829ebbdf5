"""The card of a trained model: what it is made of, how, and how well it does, in Markdown.

It states what was measured; measuring is the business of `trainer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inhouse.core.artifact import Artifact

CARD = "card.md"
SHOWN = 16


def write_card(
    folder: Path,
    base: Artifact,
    sources: Mapping[str, Artifact],
    settings: Mapping[str, object],
    summary: Mapping[str, Any],
) -> None:
    """Write the card.

    Args:
        folder: where to.
        base: what was trained.
        sources: what it was trained on, by the name of its part in the mix.
        settings: how, with all that was left to choose.
        summary: what the stage reports.
    """
    licence = summary["licence"] or "not known"
    blocks = [
        f"# {summary['method']} on {base.ref.path}",
        f"Base: `{base.ref.pinned}`, licence: {licence}. "
        f"{summary['trained']:,} of {summary['parameters']:,} parameters were trained, "
        f"for {summary['steps']:,} steps over {summary['tokens']:,} tokens.",
        f"Its texts are spelt by the tokenizer `{summary['tokenizer'][:SHOWN]}` and the chat "
        f"template `{summary['template'][:SHOWN] or 'none'}`, in training and where it is served.",
        *(f"It cost {much:,.2f} {unit}." for unit, much in summary.get("cost", {}).items()),
        "## Data",
        _table(
            ("source", "version", "label", "tokens", "times", "began at sample"),
            [_source(name, one, summary) for name, one in sources.items()],
        ),
        *_stages(summary),
        "Which documents it has seen is known where it was trained.",
        "## Settings",
        _table(("setting", "value"), [(name, str(value)) for name, value in settings.items()]),
        "## Measured",
        f"Loss: {summary['first_loss']:.4f} in the first steps, {summary['last_loss']:.4f} in the "
        "last ones; all of them: `curves.parquet`. Measured on the end of each source, which was "
        "kept out of training:",
        _table(("source", "tokens", "measure", "before", "after"), list(_measured(summary))),
    ]
    if summary["suites"]:
        seen = [(name, f"{a:.3f}", f"{b:.3f}") for name, (a, b) in summary["suites"].items()]
        blocks += ["Suites:", _table(("suite", "before", "after"), seen)]
    (folder / CARD).write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def _source(name: str, one: Artifact, summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is said of a source: what it is, how much was read of it, and from where on."""
    return (
        *(name, f"`{one.ref.pinned}`", str(one.label)),
        *(f"{summary['shares'][name]:,}", f"{summary['times'][name]:.2f}"),
        f"{summary['began'].get(name, 0) + 1:,}",
    )


def _stages(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was read of each source in each stage, if there are several."""
    rows = [
        (str(place), name, f"{tokens:,}")
        for place, leg in enumerate(summary["stages"], 1)
        for name, tokens in leg.items()
    ]
    if rows:
        yield _table(("stage", "source", "tokens"), rows)


def _measured(summary: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield source, the most tokens that were read, measure, and its values before and after."""
    plain = {name: {"perplexity": ends} for name, ends in summary["perplexity"].items()}
    for name, found in (plain | summary.get("held", {})).items():
        for what, (before, after) in found.items():
            tokens = f"{summary['kept_out'][name]:,}"
            yield name, tokens, what, f"{before:.3f}", f"{after:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
