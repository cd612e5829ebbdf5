"""Bytes to text, and plain text to Markdown.

Encodings are read from a byte order mark or a declaration and never guessed.
"""

from __future__ import annotations

import codecs
import re

from inhouse.core.errors import BadInput

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What web pages declare: the encodings of the WHATWG standard, https://encoding.spec.whatwg.org
CHARSET = re.compile(
    r"utf-?8|us-ascii|latin-?1|iso-8859-\d+|(?:windows-|cp)(?:125\d|874)|koi8-[ru]|macintosh"
    r"|gb2312|gbk|gb18030|big5|shift_jis|euc-jp|iso-2022-jp|euc-kr"
)
LATIN = ("us-ascii", "latin1", "latin-1", "iso-8859-1")
HEADING = re.compile(r"^( {0,3})(?=#{1,6}(?:[ \t]|$)|(?:=+|-+)[ \t]*$)", re.MULTILINE)
BREAK = re.compile(r"\r\n?")


def decode(data: bytes, declared: str | None = None, *, errors: str = "strict") -> str:
    r"""Return the text of a file, its lines ended by ``\n``.

    Args:
        data: the whole file.
        declared: the encoding that the file names, where its format has a place for that.
        errors: ``surrogateescape`` lets bytes that are no UTF-8 through, as half characters.

    Raises:
        BadInput: the bytes are not text in the declared encoding, or in UTF-8 if none is.
    """
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    encoding = encoding or _python_name(declared or "utf-8")
    try:
        text = data.decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise BadInput(
            f"It is not {encoding} text: byte {error.start} does not fit.", "Save it as UTF-8."
        ) from error
    if "\0" in text:
        raise BadInput("It holds null characters, so it is not text.", "Save it as UTF-8 text.")
    return BREAK.sub("\n", text)


def plain(text: str) -> str:
    """Return plain text as Markdown: nothing in it becomes a heading."""
    return HEADING.sub(r"\1\\", text)


def _python_name(declared: str) -> str:
    name = declared.strip().lower()
    if not CHARSET.fullmatch(name):
        raise BadInput(f"It declares the unknown encoding {declared!r}.", "Save it as UTF-8.")
    # Browsers read these as windows-1252, and so do the people who wrote the pages.
    return "cp1252" if name in LATIN else "mac_roman" if name == "macintosh" else name


def mebibytes(size: int) -> str:
    """Return a number of bytes as people say it, rounded up."""
    return f"{-(-size // 2**20):,} MiB"
