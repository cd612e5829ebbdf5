"""Turns texts that are HTML into Markdown, as files of HTML are; other texts stay as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inhouse.core.errors import BadInput
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Verdict

CODE = 2
NEEDS: tuple[str, ...] = ()
BEFORE = r"[\s\ufeff]*(?>(?:<\?xml[^>]*>|<!--.*?-->)\s*)*+"
PAGE = re.compile(
    BEFORE + r"<(?:!doctype html|html|head|body|meta|title|link|script|style)\b",
    re.IGNORECASE | re.DOTALL,
)
PIECE = re.compile(
    BEFORE + r"<(?:div|main|article|section|p|h[1-6]|table|ul|ol|span|nav|header)\b",
    re.IGNORECASE | re.DOTALL,
)
HEADING = re.compile(r"^#{1,6} +\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Extract:
    """Nothing to choose."""


def read(value: object) -> Extract:
    """Return the settings of ``extract``."""
    return read_settings(Extract, value)


def start(settings: Extract, given: Given) -> Extracting:
    """Make the step ready for work."""
    return Extracting()


class Extracting:
    """Reads pages as the data room reads files of HTML."""

    def judge(self, batch: Batch) -> Verdict:
        """Change texts that are HTML; drop those that cannot be read or hold no text."""
        import pyarrow as pa

        if "text" not in batch.rows.column_names:
            return Verdict()
        columns = {name: batch.rows.column(name).to_pylist() for name in batch.rows.column_names}
        dropped, changed = [], False
        for row, text in enumerate(columns["text"]):
            if not _is_page(text):
                continue
            changed = True
            title, words, reason = _read(text)
            columns["text"][row] = words
            if reason:
                dropped.append(Note(row, "no text", reason))
            if "title" in columns and not columns["title"][row]:
                columns["title"][row] = title
        if not changed:
            return Verdict()
        return Verdict(dropped, rows=pa.table(columns, schema=batch.rows.schema))


def _is_page(text: str) -> bool:
    """Say whether a text is HTML; Markdown may begin with some too, and has its own headings."""
    return bool(PAGE.match(text) or (PIECE.match(text) and not HEADING.search(text)))


def _read(page: str) -> tuple[str, str, str]:
    """Return the title and the text of a page, and why it goes if it does."""
    from inhouse.data.html import read_html

    try:
        title, words = read_html(page.encode())
    except BadInput as unfit:
        return "", page, unfit.what
    return " ".join(title.split()), words, "" if words.strip() else "the page has none"
