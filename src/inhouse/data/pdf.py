"""PDF to Markdown: headings from the outline, else by size; paragraphs; each page's own anchor.

How lines are got out of a page is the business of `pdf_lines`. Pictures of text are not read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from inhouse.core.errors import BadInput
from inhouse.data.blocks import heading, paragraph
from inhouse.data.pdf_lines import Line, Mark, read_lines

DEEPEST = 5  # one less than Markdown has, which marks the pages
LARGER = 1.12
LONGEST_HEADING = 200
WIDER = 1.35  # than the usual step between lines: a new paragraph
BULLET = re.compile(r"([•◦▪‣●○■–*·-]|\d{1,3}[.)]|\([a-z\d]{1,3}\))\s+(?=\S)")
ENDED = re.compile(r"[.!?:;]['\"”’)\]]*\Z")
NO_TITLE = re.compile(r"(?i)\A(?:untitled|microsoft \w+ - .*|.*\.\w{2,5}|\W*)\Z")


def read_pdf(data: bytes) -> tuple[str, str]:
    """Return title and text; the title is the one it declares, else its first heading.

    Pages that begin within a section begin with a heading "Page 3", below all others.

    Raises:
        BadInput: it is broken, encrypted, has no text or too many pages, or takes too long.
    """
    found = read_lines(data)
    lines = _without_running(found.lines)
    if not lines:
        raise BadInput(
            "It holds no text, only pictures of it.", "Run a text recognition over it first."
        )
    sized = _by_size(lines)
    marked = _outlined(lines, found.outline) if found.outline else sized
    title = "" if NO_TITLE.match(found.title) else found.title
    opening = [line for line in sized if line.level and line.page == lines[0].page]
    if opening and not title:
        title = min(opening, key=lambda line: line.level).text
    return title, "\n\n".join(_blocks(marked)) + "\n"


def _without_running(lines: list[Line]) -> list[Line]:
    """Leave out what stands at the top or bottom of many pages, and the numbers of pages."""
    edges: Counter[tuple[str, float]] = Counter()
    pages: dict[int, list[Line]] = {}
    for line in lines:
        pages.setdefault(line.page, []).append(line)
    running: list[tuple[Line, tuple[str, float]]] = []
    for page in pages.values():
        for line in {id(line): line for line in (*page[:2], *page[-2:])}.values():
            key = (re.sub(r"\d+|\b[ivxl]+\b", "#", line.text), line.size)
            running.append((line, key))
            edges[key] += 1
    often = max(3, len(pages) / 8)
    dropped = {
        id(line) for line, key in running if edges[key] >= often or key[0].strip(" -–") == "#"
    }
    return [line for line in lines if id(line) not in dropped]


def _by_size(lines: list[Line]) -> list[Line]:
    """Mark as headings the short lines that are larger than most of the text."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[line.size] += len(line.text)
    body = _median(letters)
    sizes = sorted({size for size in letters if size > body * LARGER}, reverse=True)
    levels = {size: min(n, DEEPEST) for n, size in enumerate(sizes, 1)}
    marked: list[Line] = []
    for line in lines:
        level = levels.get(line.size, 0)
        last = marked[-1] if marked else None
        if last and level and (last.level, last.page, last.size) == (level, line.page, line.size):
            near = 0 < last.bottom - line.bottom < 2 * line.size
            if near and len(last.text) + len(line.text) < LONGEST_HEADING:
                marked[-1] = replace(line, text=f"{last.text} {line.text}", level=level)
                continue
        words = len(line.text) < LONGEST_HEADING and re.search(r"[^\W\d_]{2}", line.text)
        marked.append(replace(line, level=level if words else 0))
    return marked


def _median(letters: Mapping[float, int]) -> float:
    half, seen = sum(letters.values()) / 2, 0
    for size in sorted(letters):
        seen += letters[size]
        if seen >= half:
            return size
    return 0.0


def _outlined(lines: list[Line], outline: list[Mark]) -> list[Line]:
    """Mark as headings the lines that the outline names; what is not found opens its page."""
    marked = list(lines)
    starts: dict[int, int] = {}
    for at, line in enumerate(lines):
        starts.setdefault(line.page, at)
    opening: dict[int, list[Line]] = {}
    taken: set[int] = set()
    for mark in outline:
        start = starts.get(mark.page, len(lines))
        level = min(mark.level, DEEPEST)
        span = _span(lines, start, mark, taken)
        if span:
            first = lines[span[0]]
            marked[span[0]] = replace(first, text=mark.title, level=level)
            taken.update(span)
        elif start < len(lines):
            line = replace(lines[start], text=mark.title, level=level)
            opening.setdefault(start, []).append(line)
    result: list[Line] = []
    for at, line in enumerate(marked):
        result += opening.get(at, ())
        if at not in taken or line.level:
            result.append(line)
    return result


def _span(lines: list[Line], start: int, mark: Mark, taken: set[int]) -> range | None:
    """Return the one to three lines on the page of `mark` that together are its title."""
    sought = _letters(mark.title)
    for at in range(start, len(lines)):
        if lines[at].page != mark.page:
            break
        text = ""
        for end in range(at, min(at + 3, len(lines))):
            text += _letters(lines[end].text)
            # Outlines often leave out the number of a section, or give it where the page does not.
            if sought and text.lstrip("0123456789") == sought.lstrip("0123456789"):
                span = range(at, end + 1)
                if not taken.intersection(span):
                    return span
    return None


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _blocks(lines: list[Line]) -> Iterator[str]:
    page = 0
    for group in _paragraphs(lines):
        first = group[0]
        if first.page != page and not first.level:
            yield heading(6, f"Page {first.page}", f"page-{first.page}")
        page = first.page
        if first.level:
            yield heading(first.level, first.text, f"page-{first.page}")
        else:
            text = _joined(line.text for line in group)
            bullet = BULLET.match(text)
            mark = "- " if bullet and bullet[1][-1] not in ".)" else ""
            yield mark + (text[bullet.end() :] if bullet and mark else paragraph(text))


def _paragraphs(lines: list[Line]) -> Iterator[list[Line]]:
    step = _step(lines)
    group: list[Line] = []
    for line in lines:
        if group and not _goes_on(group[-1], line, step):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _step(lines: list[Line]) -> float:
    """Return the usual distance between two lines, in sizes of their letters."""
    steps: Counter[float] = Counter()
    for last, line in pairwise(lines):
        if last.page == line.page and last.size == line.size and last.bottom > line.bottom:
            steps[round((last.bottom - line.bottom) / line.size, 1)] += 1
    return max(steps, key=lambda size: (steps[size], -size), default=1.2)


def _goes_on(last: Line, line: Line, step: float) -> bool:
    """Tell whether a line continues the paragraph of the last one."""
    if last.level or line.level or BULLET.match(line.text):
        return False
    fallen = last.bottom - line.bottom
    if last.page != line.page or fallen < -line.size:  # the next page, or the next column
        return not ENDED.search(last.text) and line.text[:1].islower()
    if fallen > WIDER * step * max(last.size, line.size) or abs(last.size - line.size) > 2:
        return False
    indented = line.left > last.left + 0.8 * line.size
    return not (indented and ENDED.search(last.text))


def _joined(texts: Iterable[str]) -> str:
    """Return lines as one, with words that were divided at their ends put together."""
    return re.sub(r"(?<=[a-zà-ÿ])[\u00ad\u2010-]\n(?=[a-zà-ÿ])", "", "\n".join(texts)).replace(
        "\n", " "
    )
