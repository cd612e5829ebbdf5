"""Runs one bench: ``python -m bench NAME``, or ``make bench BENCH=NAME``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from bench.harness import report


def main() -> int:
    """Run the bench that is named; return the exit code."""
    known = names()
    match sys.argv[1:]:
        case [name] if name in known:
            return measure(name)
        case []:
            print("Name the bench to run; these are there:", file=sys.stderr)
        case words:
            print(f"There is no bench {' '.join(words)!r}; these are there:", file=sys.stderr)
    for name in known:
        about = (import_module(f"bench.{name}").__doc__ or "").splitlines()[0]
        print(f"  {name:10} {about}", file=sys.stderr)
    return 2


def names() -> list[str]:
    """Return the benches: the modules that lie beside this one."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def measure(name: str) -> int:
    """Run a bench, print its table and keep the result."""
    rows = []
    for row in import_module(f"bench.{name}").run():
        print(f"measured: {row.name}", file=sys.stderr)
        rows.append(row)
    if not rows:
        return 0
    report.print_rows(rows)
    report.keep(name, report.result(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
