"""How things look on a terminal, and as JSON for machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inhouse.core.errors import InhouseError, ProviderError

WIDE = 200
GAP = 2
NAMED = 4


def _width() -> int | None:
    # A pipe or a log file has no width: it is given whole lines.
    known = "COLUMNS" in os.environ or (sys.stdout is not None and sys.stdout.isatty())
    return None if known else WIDE


console = Console(highlight=False, soft_wrap=True, width=_width())
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object, and nothing else."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_line(value: Mapping[str, Any]) -> None:
    """Print one of several objects, as one line and at once."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def error_as_plain(error: InhouseError) -> dict[str, Any]:
    """Return an error as an object for machines."""
    return {"error": {"code": error.code, "what": error.what, "fix": error.fix}}


def print_error(error: InhouseError, *, as_json: bool) -> None:
    """Print what was wrong and how to mend it."""
    if as_json:
        print_json(error_as_plain(error))
        return
    stderr.print(f"[red]error:[/] {escape(error.what)}")
    if isinstance(error, ProviderError) and error.private:
        stderr.print(f"  [dim]{escape(error.private)}[/]")
    stderr.print(f"  [dim]{escape(error.fix)}[/]")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, spare: str | None = None
) -> None:
    """Print rows under headings.

    The column `spare` is left out where the terminal is too narrow for all.
    """
    listed = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *listed, strict=True)]
    shown = list(range(len(columns)))
    if sum(widths) + GAP * (len(widths) - 1) > console.width:
        shown = [i for i in shown if columns[i] != spare]
    table = Table(
        box=None,
        padding=(0, GAP, 0, 0),
        pad_edge=False,
        header_style="dim",
        show_header=any(columns),
    )
    for i in shown:
        table.add_column(columns[i], overflow="fold", no_wrap=i == 0)
    for row in listed:
        table.add_row(*(escape(row[i]) for i in shown))
    console.print(table, soft_wrap=False)


def print_next(*commands: str) -> None:
    """Print the commands that most people type next."""
    console.print()
    for command in commands:
        console.print(f"[dim]next:[/] {escape(command)}")


def print_unlabelled(paths: Sequence[str]) -> None:
    """Print which entries are open because nobody wrote a label."""
    if paths:
        console.print(f"no label is written, so open to everybody: {escape(', '.join(paths))}")


def metrics(summary: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the numbers of a summary in the one form of all measurements.

    ``low`` and ``high`` bound the value; a plain count is its own bounds.
    """
    return {
        name: {"value": value, "low": value, "high": value}
        for name, value in summary.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def size(count: int) -> str:
    """Return a number of bytes as people say it."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def count(number: int) -> str:
    """Return how many as people say it, in millions from there on."""
    return f"{number / 1e6:,.1f} M" if number >= 1e6 else f"{number:,}"


def people(audience: Sequence[str] | None) -> str:
    """Return who may use a thing, the first few by name; None is everybody with a key."""
    if audience is None:
        return "everyone"
    if len(audience) > NAMED:
        return f"{', '.join(audience[:NAMED])} and {len(audience) - NAMED} more"
    return ", ".join(audience) or "nobody"


def in_words(value: object) -> str:
    """Return a value in words; nothing where there is nothing to tell."""
    if value is None or value == {}:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {in_words(inner)}" for name, inner in value.items())
    return ", ".join(map(in_words, value)) if isinstance(value, list) else str(value)
