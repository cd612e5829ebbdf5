from __future__ import annotations

import io
import zipfile

import pytest
from docx import Document
from docx.oxml import parse_xml
from making_files import archive, pdf

from inhouse.core.errors import BadInput
from inhouse.data.word import CONTAINER, read_docx

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def saved(word) -> bytes:
    out = io.BytesIO()
    word.save(out)
    return out.getvalue()


def made() -> bytes:
    word = Document()
    word.add_paragraph("Travel policy", "Title")
    word.add_paragraph("# no heading")
    word.add_heading("Flights", 1)
    word.add_paragraph("one", "List Bullet")
    word.add_paragraph("first", "List Number")
    word.add_paragraph("second", "List Number")
    table = word.add_table(2, 2)
    for cell, text in zip(table._cells, ("City", "Limit", "Bonn", "a|b"), strict=True):
        cell.text = text
    word.add_heading("Far", 2)
    inserted = f"<w:p {W}><w:ins><w:r><w:t>new</w:t></w:r></w:ins>"
    inserted += "<w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>"
    control = f"<w:sdt {W}><w:sdtContent><w:p><w:r><w:t>chosen</w:t></w:r></w:p>"
    word.element.body.insert(-1, parse_xml(inserted))
    word.element.body.insert(-1, parse_xml(control + "</w:sdtContent></w:sdt>"))
    return saved(word)


TEXT = """\
# Travel policy

\\# no heading

# Flights

- one

1. first

2. second

| City | Limit |
| --- | --- |
| Bonn | a\\|b |

## Far

new

chosen
"""


def test_styles_lists_and_tables() -> None:
    assert read_docx(made()) == ("Travel policy", TEXT)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK", "not a Word file that can be read: it is cut off or damaged"),
        (pdf([[]]), "not a Word file that can be read: it is cut off or damaged"),
        (made()[:-100], "save it again as '.docx'"),
        (CONTAINER + bytes(512) + "WordDocument".encode("utf-16-le"), "format of old, '.doc'"),
        (CONTAINER + bytes(512) + "EncryptedPackage".encode("utf-16-le"), "locked by a password"),
        (archive({"a.txt": "x"}), "not a Word file"),
        (archive({"[Content_Types].xml": "<oops"}), "not a Word file"),
        (archive({"word/document.xml": b"\0" * 2**22}), "200 times its size"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read_docx(data)


def test_a_name_space_that_is_damaged_is_told() -> None:
    word = Document()
    word.add_paragraph("Go.")
    data = saved(word)
    with zipfile.ZipFile(io.BytesIO(data)) as files:
        parts = {name: files.read(name) for name in files.namelist()}
    lists = "word/numbering.xml"
    parts[lists] = parts[lists].replace(b"wordprocessingml/2006/main", b"x")
    with pytest.raises(BadInput, match="not a Word file that can be read"):
        read_docx(archive(parts))
