"""The pages of the documentation, cut into what can be checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OTHERS = [p for n in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md") if (p := ROOT / n).exists()]
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what stands behind it, and its text."""

    page: Path
    line: int
    language: str
    extra: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Return the fenced blocks of those languages, of all pages."""
    return [b for page in [*PAGES, *OTHERS] for b in _blocks(page) if b.language in languages]


def inline(page: Path) -> list[str]:
    """Return what stands between single backticks on a page."""
    return INLINE.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[1], found[2], found[3])
