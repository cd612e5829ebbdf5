from __future__ import annotations

import pytest
from making_files import pdf

from inhouse.core.errors import BadInput
from inhouse.data import pdf_lines
from inhouse.data.pdf import read_pdf

HEAD = (8, 50, 820, "ACME handbook")
PAGES = [
    [
        HEAD,
        (24, 50, 780, "Travel policy"),
        (11, 50, 740, "Book trips early, since prices are inter-"),
        (11, 50, 726, "esting to us. # Ask"),
        (11, 50, 712, "your manager."),
        (11, 50, 680, "A second paragraph that goes on"),
        (8, 280, 30, "Page 1"),
    ],
    [
        HEAD,
        (11, 50, 780, "over the page."),
        (11, 50, 750, "Only here."),
        (16, 50, 700, "Flights and"),
        (16, 50, 682, "trains"),
        (11, 50, 650, "Fly rarely."),
        (8, 280, 30, "Page 2"),
    ],
    [HEAD, (16, 50, 780, "Hotels"), (11, 50, 750, "Sleep well."), (8, 280, 30, "Page 3")],
]
TEXT = """\
# Travel policy {#page-1}

Book trips early, since prices are interesting to us. # Ask your manager.

A second paragraph that goes on over the page.

###### Page 2 {#page-2}

Only here.

## Flights and trains {#page-2}

Fly rarely.

## Hotels {#page-3}

Sleep well.
"""


def test_headings_are_found_by_size_and_pages_by_their_anchors() -> None:
    assert read_pdf(pdf(PAGES)) == ("Travel policy", TEXT)


def test_an_outline_goes_before_sizes() -> None:
    outline = [("Only here", 1), ("flights and trains", 1), ("Not on the page", 2)]
    title, text = read_pdf(pdf(PAGES, outline, title="Travel"))
    assert title == "Travel"
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "###### Page 1 {#page-1}",
        "# Only here {#page-2}",
        "# flights and trains {#page-2}",
        "# Not on the page {#page-3}",
    ]


@pytest.mark.parametrize("title", ["policy.docx", "Microsoft Word - x", "Untitled"])
def test_a_title_that_says_nothing_is_not_taken(title: str) -> None:
    assert read_pdf(pdf(PAGES, title=title))[0] == "Travel policy"


ENCRYPT = b"/Encrypt<</Filter/Standard/V 1/R 2/O(%s)/U(%s)/P -4>>/ID[(a)(a)]>>" % (
    b"o" * 32,
    b"u" * 32,
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a PDF"),
        (b"%PDF-1.4 oops", "not a PDF"),
        (pdf(PAGES)[:300], "not a PDF"),
        (pdf([[]]), "only pictures"),
        (pdf(PAGES).replace(b"/Info 5 0 R>>", ENCRYPT), "It is encrypted"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read_pdf(data)


@pytest.mark.parametrize(
    ("bound", "value", "reason"),
    [
        ("MOST_PAGES", 2, "more than the 2"),
        ("MOST_LETTERS", 5, "page 1"),
        ("LONGEST", -1.0, "page 1"),
    ],
)
def test_reading_is_bounded(monkeypatch, bound: str, value: float, reason: str) -> None:
    monkeypatch.setattr(pdf_lines, bound, value)
    with pytest.raises(BadInput, match=reason):
        read_pdf(pdf(PAGES))
