"""How things look on a terminal, and as JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inhouse.core.errors import InhouseError

console = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object, and nothing else."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_error(error: InhouseError, *, as_json: bool) -> None:
    """Print what was wrong and how to mend it."""
    if as_json:
        print_json({"error": {"code": error.code, "what": error.what, "fix": error.fix}})
        return
    stderr.print(f"[red]error:[/] {escape(error.what)}")
    stderr.print(f"  [dim]{escape(error.fix)}[/]")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    listed = [list(row) for row in rows]
    for i, column in enumerate(columns):
        numeric = bool(listed) and all(isinstance(row[i], int | float) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=i == 0)
    for row in listed:
        table.add_row(*(escape(str(cell)) for cell in row))
    # A pipe or a log file has no width: give it whole lines.
    width = None if sys.stdout.isatty() else 200
    console.print(table, width=width)


def print_next(*commands: str) -> None:
    """Print the commands that most people type next."""
    console.print()
    for command in commands:
        console.print(f"[dim]next:[/] {escape(command)}")


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


def people(audience: Sequence[str] | None) -> str:
    """Return who may use a thing; None is everybody with a key."""
    if audience is None:
        return "everyone"
    return ", ".join(audience) or "nobody"
