"""Exports of company wikis, each a zip: which wiki it comes from.

What the exports look like inside is the business of `confluence`, `backup` and `notion`.
"""

from __future__ import annotations

from collections.abc import Iterator

from inhouse.core.errors import BadInput
from inhouse.data.archive import Archive
from inhouse.data.backup import is_backup, read_backup
from inhouse.data.confluence import is_space, read_space
from inhouse.data.notion import is_notion, read_notion
from inhouse.data.parts import LeftOut, Part


def read_export(data: bytes) -> Iterator[Part | LeftOut]:
    """Yield the pages of a Confluence space, as HTML or as a backup, or of a Notion export.

    Raises:
        BadInput: it is none of these, or broken.
    """
    with Archive(data) as archive:
        if is_backup(archive):
            yield from read_backup(archive)
        elif is_space(archive):
            yield from read_space(archive)
        elif is_notion(archive):
            yield from read_notion(archive)
        else:
            raise BadInput(
                "It is a zip file, but no export of Confluence or Notion.",
                "Unpack it, and name the folder.",
            )
