"""Makes the smallest files of a format that real readers accept."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

Text = tuple[int, int, int, str]
"""Size, left and bottom of a line of text, and the line."""


def pdf(
    pages: Sequence[Sequence[Text]], outline: Sequence[tuple[str, int]] = (), *, title: str = ""
) -> bytes:
    """Return a PDF; `outline` names headings and their pages from 0."""
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R/Outlines 4 0 R>>",
        2: f"<</Type/Pages/Kids[{' '.join(f'{100 + 2 * n} 0 R' for n in range(len(pages)))}]"
        f"/Count {len(pages)}>>".encode(),
        3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        4: f"<</Type/Outlines/Count {len(outline)}".encode()
        + (f"/First 10 0 R/Last {9 + len(outline)} 0 R>>".encode() if outline else b">>"),
        5: f"<</Title({title})>>".encode(),
    }
    for n, (name, page) in enumerate(outline):
        after = f"/Next {11 + n} 0 R" if n + 1 < len(outline) else ""
        objects[10 + n] = (
            f"<</Title({name})/Parent 4 0 R{after}/Dest[{100 + 2 * page} 0 R/Fit]>>".encode()
        )
    for n, lines in enumerate(pages):
        drawn = b"".join(
            f"BT /F1 {size} Tf {left} {bottom} Td ({line}) Tj ET\n".encode()
            for size, left, bottom, line in lines
        )
        objects[100 + 2 * n] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {101 + 2 * n} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>".encode()
        )
        objects[101 + 2 * n] = b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn)
    body = b"".join(b"%d 0 obj%s endobj\n" % item for item in objects.items())
    return b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R/Info 5 0 R>>\n%%EOF"


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """Return a zip of `files`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()
