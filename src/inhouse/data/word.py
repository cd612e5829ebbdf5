"""Word files (.docx) to Markdown: headings by style, paragraphs, lists and tables, in their order.

Deleted text, comments, footnotes, headers and pictures are not read.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inhouse.core.errors import BadInput
from inhouse.data.archive import BROKEN as BROKEN_ZIP
from inhouse.data.archive import Archive, Broken
from inhouse.data.blocks import heading, paragraph, table

if TYPE_CHECKING:
    from docx.document import Document as Word
    from docx.styles.style import BaseStyle
    from docx.table import Table
    from docx.text.paragraph import Paragraph

HEADING = re.compile(r"(?:Heading|heading) ([1-9])\Z")
# How the container begins that Office of old wrote, and in which it wraps a locked file; the names
# of what is in it stand there in UTF-16. From Microsoft's [MS-CFB] and [MS-OFFCRYPTO].
CONTAINER = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
LOCKED = "EncryptedPackage".encode("utf-16-le")
WRAPPED = ("w:sdt/w:sdtContent", "w:ins", "w:moveTo", "w:smartTag", "w:customXml")

MOST_PARAGRAPHS = 200_000  # a few thousand pages, and some seconds

# What python-docx raises on parts that do not fit.
BROKEN = (*BROKEN_ZIP, LookupError, TypeError, AttributeError)


def read_docx(data: bytes) -> tuple[str, str]:
    """Return title and text; the title is the paragraph styled so, else the first heading.

    Raises:
        BadInput: it is broken, locked by a password, too long, or too large when unpacked.
    """
    from docx import Document
    from docx.exceptions import PythonDocxError
    from docx.opc.exceptions import OpcError
    from lxml.etree import LxmlError

    if data.startswith(CONTAINER):
        if LOCKED in data:
            raise BadInput("It is locked by a password.", "Save it without one.")
        raise BadInput("It is in the format of old, '.doc'.", "Open it in Word, save as '.docx'.")
    try:
        with Archive(data) as archive:
            archive.check_all()
        word = Document(io.BytesIO(data))
        _check_length(word)
        _unwrap(word)
        page = _Page(_formats(word))
        blocks = [block for block in page.blocks(word) if block]
    except (*BROKEN, Broken, LxmlError, OpcError, PythonDocxError) as error:
        why = "it is cut off or damaged" if isinstance(error, Broken) else type(error).__name__
        raise BadInput(
            f"It is not a Word file that can be read: {why}.",
            "Open it in Word and save it again as '.docx'.",
        ) from error
    return page.title, "\n\n".join(blocks) + "\n"


def _check_length(word: Word) -> None:
    from docx.oxml.ns import qn

    if sum(1 for _ in word.element.body.iter(qn("w:p"))) > MOST_PARAGRAPHS:
        raise BadInput(f"It has more than {MOST_PARAGRAPHS:,} paragraphs.", "Divide it.")


@dataclass(slots=True)
class _Page:
    """Blocks of Markdown, and what counts across them: the title and the numbers of lists."""

    formats: dict[tuple[str, str], str]
    title: str = ""
    _titled: bool = False
    _counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    _styles: dict[str, tuple[str, int | None]] = field(default_factory=dict)

    def blocks(self, word: Word) -> Iterator[str]:
        """Yield the blocks of a document in their order; what has no words gives an empty one."""
        from docx.table import Table

        for item in word.iter_inner_content():
            yield table(_rows(item)) if isinstance(item, Table) else self._paragraph(item)

    def _paragraph(self, item: Paragraph) -> str:
        said = item.text
        words = " ".join(said.split())
        name, level = self._style(item)
        if level is None or not words:
            return self._listed(item, said, name)
        if not self._titled and (level == 0 or not self.title):
            self.title, self._titled = words, level == 0
        return heading(max(level, 1), words)

    def _style(self, item: Paragraph) -> tuple[str, int | None]:
        """Return the name of a style and its level: 0 for the title, None for no heading."""
        key = str(item._p.style)
        if key not in self._styles:  # looking it up takes longer than all the rest
            name = (item.style.name or "") if item.style else ""
            self._styles[key] = name, _level(item.style)
        return self._styles[key]

    def _listed(self, item: Paragraph, said: str, name: str) -> str:
        text = paragraph("\n".join(" ".join(line.split()) for line in said.split("\n")))
        number, level = _numbering(item)
        if not text or not (number or name.startswith("List ")):
            return text
        bullet = self.formats.get((number, str(level))) == "bullet" if number else True
        if (bullet and not name.startswith("List Number")) or name.startswith("List Bullet"):
            return _item("- ", text, level)
        self._counts[number, level] += 1
        for deeper in [k for k in self._counts if k[0] == number and k[1] > level]:
            del self._counts[deeper]
        return _item(f"{self._counts[number, level]}. ", text, level)


def _item(mark: str, text: str, level: int) -> str:
    return "\n".join(
        "  " * level + (mark if n == 0 else " " * len(mark)) + line
        for n, line in enumerate(text.split("\n"))
    )


def _level(style: BaseStyle | None) -> int | None:
    """Return the level of the heading that a style, or one that it rests on, makes."""
    seen = 0
    current: Any = style
    while current is not None and seen < 20:
        if current.name in ("Title", "title"):
            return 0
        if found := HEADING.match(current.name or ""):
            return int(found[1])
        current, seen = current.base_style, seen + 1
    return None


def _numbering(item: Paragraph) -> tuple[str, int]:
    """Return the list that a paragraph belongs to, empty if none, and how deep it stands there."""
    if item._p.pPr is None:
        return "", 0
    found = item._p.xpath("./w:pPr/w:numPr/w:numId/@w:val")
    depth = item._p.xpath("./w:pPr/w:numPr/w:ilvl/@w:val")
    number = str(found[0]) if found else ""
    return "" if number == "0" else number, min(int(depth[0]), 8) if depth else 0


def _formats(word: Word) -> dict[tuple[str, str], str]:
    """Return how each level of each list is numbered."""
    from docx.opc.constants import RELATIONSHIP_TYPE
    from docx.oxml.ns import qn

    kinds: dict[tuple[str, str], str] = {}
    for relation in word.part.rels.values():
        if relation.reltype != RELATIONSHIP_TYPE.NUMBERING:
            continue
        root: Any = relation.target_part
        for number in root.element.xpath("./w:num"):
            for template in number.xpath("./w:abstractNumId/@w:val"):
                path = f"./w:abstractNum[@w:abstractNumId={int(template)}]/w:lvl"
                for level in root.element.xpath(path):
                    kind = level.find(qn("w:numFmt"))
                    if kind is not None:
                        key = (number.get(qn("w:numId")), level.get(qn("w:ilvl")))
                        kinds[key] = kind.get(qn("w:val"))
    return kinds


def _unwrap(word: Word) -> None:
    """Put the contents of controls and of insertions where python-docx looks for them."""
    body = word.element.body
    for path in WRAPPED:
        for inner in body.xpath(f".//{path}"):
            wrapper = inner.getparent() if "/" in path else inner
            for child in list(inner):
                wrapper.addprevious(child)
            wrapper.getparent().remove(wrapper)


def _rows(found: Table) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in found.rows:
        cells: dict[int, str] = {}
        for cell in row.cells:  # a merged cell comes once for each column that it spans
            cells.setdefault(id(cell._tc), cell.text)
        rows.append(list(cells.values()))
    return rows
