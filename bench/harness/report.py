"""Where results go: a table on the terminal, a JSON file, and the page of the documentation."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.harness.measure import Row

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
HEADLINES = {
    "start": (
        "inhouse --help",
        "install, beside sentence-transformers",
        "size installed, beside sentence-transformers",
        "size installed, beside litellm",
        "make demo, installed",
        "inhouse plan, nothing to do",
    ),
    "knowledge": (
        "handbook-18f: hit@5",
        "handbook-18f: MRR@10",
        "handbook-sourcegraph: hit@5",
        "handbook-sourcegraph: MRR@10",
    ),
    "catalog": (
        "commit an artifact of 1 MB",
        "verify an artifact of 200 MB, beside openssl",
        "decide, peer's policy parsed once",
        "check a label against groups",
    ),
    "gateway": ("requests a second, 64 clients", "added p50, 16 clients", "memory after all that"),
    "data": ("5,429 documents cleaned",),
    "guard": (
        "types with a form, held-out templates: recall",
        "types with a form, held-out templates: precision",
        "texts a CPU second, with a form",
    ),
    "mixing": ("samples read, beside streaming", "samples read, beside litdata"),
    "training": ("SmolLM2-135M, 1,000 tokens beside trainer",),
    "outcomes": (
        "continue: held-out proposals, perplexity",
        "instruct: the assistant's turns, perplexity",
        "prefer: held-out pairs told apart by reward",
    ),
}
COLUMNS = ("what", "unit", "ours", "peer", "ratio", "target", "met")


def result(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the rows with the machine and the commit they were measured on."""
    listed = [_rounded(asdict(row)) for row in rows]
    return {"machine": machine(), "commit": commit(), "rows": listed}


def print_rows(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, _cells(_rounded(asdict(row)))))
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def keep(name: str, found: Mapping[str, Any]) -> None:
    """Write a result to its file and into the page of the documentation."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(found, indent=2, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(shown(page, name, found), encoding="utf-8")
    renew_readme()


def renew_readme() -> None:
    """Show the rows that a newcomer cares for in the README, from all kept results."""
    lines = ["| what | ours | peer | ratio | command |", "|" + " --- |" * 5]
    for name, rows in HEADLINES.items():
        kept = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        by_name = {row["name"]: row for row in kept}
        for row in (by_name[wanted] for wanted in rows if wanted in by_name):
            _, unit, ours, peer, ratio, _, _ = _cells(row)
            lines.append(
                f"| {row['name']} | {ours} {unit} | {peer} | {ratio} | `make bench BENCH={name}` |"
            )
    page = README.read_text(encoding="utf-8")
    first, last = "<!-- measured -->\n", "<!-- end of measured -->"
    marked = re.compile(f"{re.escape(first)}.*{re.escape(last)}", re.DOTALL)
    block = "\n".join(["", *lines, "", ""])
    README.write_text(marked.sub(lambda _: first + block + last, page), encoding="utf-8")


def shown(page: str, name: str, found: Mapping[str, Any]) -> str:
    """Return the page with a result between the marks of its bench."""
    first, last = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    lines = ["| " + " | ".join(cells) + " |" for cells in map(_cells, found["rows"])]
    heads = [f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS)]
    its = found["machine"]
    place = (
        f"`make bench BENCH={name}` at commit {found['commit']}: {its['cpu']}, {its['cores']} "
        f"cores, {its['memory_gib']} GiB, {its['os']}, Python {its['python']}, "
        f"load {its['load']} when it ended."
    )
    block = "\n".join(["", place, "", *heads, *lines, "", ""])
    marked = re.compile(f"{re.escape(first)}.*{re.escape(last)}", re.DOTALL)
    return marked.sub(lambda _: first + block + last, page)


def machine() -> dict[str, Any]:
    """Return what the figures depend on, and nothing that names the machine."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "os": _system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def commit() -> str:
    """Return the short hash of what is checked out, marked if anything beside results changed."""
    head = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", f":(exclude){RESULTS}", f":(exclude){PAGE}")
    return f"{head}-dirty" if changed else head or "unknown"


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except FileNotFoundError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _memory_gib() -> int | None:
    if not hasattr(os, "sysconf"):
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return f"{platform.system()} {platform.release()}"


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose figures have four digits that count."""
    for name in ("ours", "peer", "ratio"):
        if row[name]:
            row[name] = {key: float(f"{value:.4g}") for key, value in row[name].items()}
    return row


def _cells(row: Mapping[str, Any]) -> list[str]:
    peer = "none" if row["peer_name"] is None else f"{row['peer_name']}: {_span(row['peer'])}"
    ratio = _span(row["ratio"], "x") if row["ratio"] else ""
    met = {True: "yes", False: "no", None: ""}[row["ok"]]
    return [
        row["name"], row["unit"], _span(row["ours"]), peer, ratio, row["target"] or "", met,
    ]  # fmt: skip


def _span(figure: Mapping[str, float] | None, unit: str = "") -> str:
    if figure is None:
        return "unavailable"
    shown = {key: f"{it:,.0f}" if it >= 100 else f"{it:.3g}" for key, it in figure.items()}
    value, low, high = shown["value"], shown["low"], shown["high"]
    return f"{value}{unit}" if low == high else f"{value}{unit} ({low}–{high})"
