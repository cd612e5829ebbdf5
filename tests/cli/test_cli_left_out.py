"""Files that cannot be read are left out with a reason, which `run` and `show` print."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from small_project import inhouse, quickly, write

sys.path.append(str(Path(__file__).parents[1] / "data"))

PROTECTED = b"/Encrypt<</Filter/Standard/V 1/R 2/O(%s)/U(%s)/P -4>>/ID[(a)(a)]>>" % (
    b"o" * 32,
    b"u" * 32,
)
BAD = {
    "broken.docx": "broken zip file",
    "broken.pdf": "not a PDF",
    "cut.zip": "broken zip file",
    "empty.md": "It has no text.",
    "huge.txt": "more than the",
    "latin.txt": "It is not utf-8 text",
    "picture.png": "Files of type '.png' are not read.",
    "secret.pdf": "It is encrypted",
}


@pytest.fixture
def with_bad_files(made: Path) -> Path:
    from making_files import pdf

    memos = made.parent / "docs/memos"
    write(
        memos, {"broken.docx": "PK no", "broken.pdf": "%PDF oops", "cut.zip": "PK", "empty.md": ""}
    )
    (memos / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    (memos / "picture.png").write_bytes(b"\x89PNG")
    with (memos / "huge.txt").open("wb") as file:
        file.truncate(51 * 2**20)
    protected = pdf([[(12, 50, 800, "Secret")]]).replace(b"/Info 5 0 R>>", PROTECTED)
    (memos / "secret.pdf").write_bytes(protected)
    return made.parent


def test_every_kind_of_bad_file_stands_in_the_ledger(with_bad_files: Path):
    folder = with_bad_files
    ran = inhouse("run", cwd=folder, timeout=150)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("  left out docs/memos/") == 3
    assert "  and 5 more: inhouse show data/memos" in ran.stderr
    for ref in ("data/memos", "knowledge/desk", "knowledge/all"):
        machine = json.loads(quickly("show", ref, "--json", cwd=folder).stdout)
        reasons = {
            line["path"].removeprefix("docs/memos/"): line["reason"] for line in machine["left_out"]
        }
        assert reasons.keys() == BAD.keys()
        for name, words in BAD.items():
            assert words.lower() in reasons[name].lower(), (name, reasons[name])
        closed = json.loads(quickly("show", ref, "-a", "cy", "--json", cwd=folder).stdout)
        assert (closed["left_out"], closed["closed"]) == ([], ["data/memos"])
        assert "broken.docx" not in quickly("show", ref, "-a", "cy", cwd=folder).stdout
        shown = quickly("show", ref, cwd=folder).stdout.partition("\nleft out\n")[2]
        assert all(f"docs/memos/{name}" in shown for name in BAD)
