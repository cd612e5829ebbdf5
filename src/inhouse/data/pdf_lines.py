"""The lines of a PDF with where and how large they stand, and its outline, by way of PDFium.

What the lines mean is the business of `pdf`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inhouse.core.errors import BadInput

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfTextPage

MOST_PAGES = 5_000
MOST_LETTERS = 20_000_000
MOST_MARKS = 20_000
LONGEST = 120.0  # seconds of work
HYPHEN = "\ufffe"  # what PDFium puts in the place of a hyphen that divides a word
BROKEN_LETTERS = {0: None, 0xFFFE: None, 0xFFFF: None, **dict.fromkeys(range(0xD800, 0xE000))}
ERRORS = {
    4: ("It is encrypted.", "Save it without a password."),
    5: ("It is encrypted in an unknown way.", "Save it without a password."),
}

_PDFIUM = threading.Lock()  # it bears one thread at a time


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text: its page from 1, its size and its lower left corner in points.

    `level` is that of the heading that it is, 0 if it is none.
    """

    text: str
    page: int
    size: float
    left: float
    bottom: float
    level: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry of the outline: its level and its page, both from 1."""

    title: str
    level: int
    page: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds; `title` is the one that it declares."""

    title: str
    lines: list[Line]
    outline: list[Mark]


def read_lines(data: bytes) -> Found:
    """Return the lines and the outline of a PDF.

    Raises:
        BadInput: it is broken or encrypted, has too many pages or takes too long.
    """
    import pypdfium2 as pdfium

    with _PDFIUM:
        try:
            pdf = pdfium.PdfDocument(data)
        except pdfium.PdfiumError as error:
            broken = ("It is not a PDF that can be read.", "Print it into a new PDF.")
            raise BadInput(*ERRORS.get(error.err_code or 0, broken)) from error
        try:
            pages = len(pdf)
            if pages > MOST_PAGES:
                raise BadInput(
                    f"It has {pages} pages, more than the {MOST_PAGES} that are read.",
                    "Split it into parts.",
                )
            title = pdf.get_metadata_value("Title").translate(BROKEN_LETTERS)
            return Found(" ".join(title.split()), _all_lines(pdf), list(_outline(pdf)))
        except pdfium.PdfiumError as error:
            raise BadInput(f"It is broken: {error}", "Print it into a new PDF.") from error
        finally:
            pdf.close()


def _all_lines(pdf: PdfDocument) -> list[Line]:
    lines: list[Line] = []
    letters, start = 0, time.thread_time()
    for number in range(len(pdf)):
        page = pdf[number]
        text = page.get_textpage()
        try:
            for line in _lines(text, number + 1):
                lines.append(line)
                letters += len(line.text)
        finally:
            text.close()
            page.close()
        if letters > MOST_LETTERS or time.thread_time() - start > LONGEST:
            raise BadInput(
                f"Reading stopped on page {number + 1}: there is too much on its pages.",
                "Split it into parts.",
            )
    return lines


def _lines(page: PdfTextPage, number: int) -> Iterator[Line]:
    from pypdfium2 import raw

    box, matrix = raw.FS_RECTF(), raw.FS_MATRIX()
    at = 0
    for line in page.get_text_range(errors="replace").split("\r\n"):
        start = at + len(line) - len(line.lstrip())
        end = at + len(line.rstrip())
        at += len(line) + 2
        words = " ".join(line.replace(HYPHEN, "").translate(BROKEN_LETTERS).split())
        if not words:
            continue
        # The first letter is asked for all: letters are many, and each question crosses into C.
        letter = raw.FPDFText_GetCharIndexFromTextIndex(page, start)
        raw.FPDFText_GetLooseCharBox(page, letter, box)
        raw.FPDFText_GetMatrix(page, letter, matrix)
        size = raw.FPDFText_GetFontSize(page, letter) * math.hypot(matrix.b, matrix.d)
        left = box.left
        if HYPHEN in line:  # two lines in one, which ends lower than it starts
            last = raw.FPDFText_GetCharIndexFromTextIndex(page, end - 1)
            raw.FPDFText_GetLooseCharBox(page, last, box)
        yield Line(words, number, max(round(size * 2) / 2, 0.5), left, box.bottom)


def _outline(pdf: PdfDocument) -> Iterator[Mark]:
    for count, bookmark in enumerate(pdf.get_toc(max_depth=10)):
        if count >= MOST_MARKS:
            return
        goal = bookmark.get_dest()
        page = goal.get_index() if goal else None
        title = " ".join(bookmark.get_title().translate(BROKEN_LETTERS).split())
        if title and page is not None:
            yield Mark(title, bookmark.level + 1, page + 1)
