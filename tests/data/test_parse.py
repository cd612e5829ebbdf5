from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Document
from inhouse.data.parse import parse


def read(text: str | bytes, path: str = "a/travel-policy.md") -> Document:
    return parse(path, text.encode() if isinstance(text, str) else text, "0" * 64)


def headings(text: str) -> int:
    tokens = MarkdownIt("commonmark").parse(text)
    return sum(t.type == "heading_open" and t.level == 0 for t in tokens)


@pytest.mark.parametrize(
    ("text", "title", "rest"),
    [
        ("---\ntitle: Trips\ndate: 2026\n---\n# Travel\nGo", "Trips", "# Travel\nGo"),
        ("---\nlayout: x\nTitle: 'Trips: all'\n...\nGo\n", "Trips: all", "Go\n"),
        ("---\ntitle:\nother: x\n---\n# Travel\nGo", "Travel", "# Travel\nGo"),
        ("---\ntitle: >\n  Long\n---\nGo", "travel policy", "Go"),
        ("---\nMind: all.\n\nGo\n\n---\n", "travel policy", "---\nMind: all.\n\nGo\n\n---\n"),
        ("---\n# Of us\nkey: a\n---\nGo", "Of us", "---\n# Of us\nkey: a\n---\nGo"),
        (
            "---\nlast seen: x\n# us\n\na:\n- b\n-\n  - c\n'd e': [\n 1\n]\n---\nGo",
            "travel policy",
            "Go",
        ),
        ("---\n\nNo front matter\n", "travel policy", "---\n\nNo front matter\n"),
        ("Go\n\n# The `way` *out* {#out}\n", "The way out", "Go\n\n# The `way` *out* {#out}\n"),
        ("```\n# code\n```\nGo", "travel policy", "```\n# code\n```\nGo"),
        ("## Only two\nGo", "travel policy", "## Only two\nGo"),
        ("Go\r\nfar\rout", "travel policy", "Go\nfar\nout"),
    ],
)
def test_markdown(text: str, title: str, rest: str) -> None:
    document = read(text)
    assert (document.title, document.text) == (title, rest)


def test_plain_text_has_no_headings() -> None:
    text = "# one\n  ## two\nthree\n===\nfour\n---\n- item\n#five\n"
    document = read(text, "notes.txt")
    assert headings(document.text) == 0
    assert document.text.replace("\\", "") == text
    assert document.title == "notes"


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (codecs.BOM_UTF8 + "Grüße".encode(), "a.md"),
        (codecs.BOM_UTF16_LE + "Grüße".encode("utf-16-le"), "a.TXT"),
        (codecs.BOM_UTF16_BE + "Grüße".encode("utf-16-be"), "a.md"),
        (b'<meta charset="iso-8859-1">' + "Grüße".encode("cp1252"), "a.html"),
        (
            b"<META http-equiv=content-type content='text/html; charset=Shift_JIS'>"
            + "漢字".encode("shift_jis"),
            "a.htm",
        ),
        ("<p>Grüße".encode(), "a.html"),
    ],
)
def test_encodings(data: bytes, path: str) -> None:
    assert read(data, path).text.strip() in ("Grüße", "漢字")


@pytest.mark.parametrize(
    ("data", "path", "reason"),
    [
        ("Grüße".encode("latin-1"), "a.md", "not utf-8 text: byte 2"),
        (b"<meta charset=klingon>x", "a.html", "unknown encoding 'klingon'"),
        (b"<meta charset=unicode_escape>\\ud800", "a.html", "unknown encoding"),
        (b"a\0b", "a.txt", "null characters"),
        (b"", "a.md", "no text"),
        (b" \n\n", "a.txt", "no text"),
        (b"---\ntitle: x\n---\n", "a.md", "no text. Write something into it"),
        (b"---\nowner: x\n---\n", "a.md", "It has no text"),
        (b"# Leave\n", "a.md", "It has headings and no text"),
        (b"# Leave\n\n## How long?\n", "a.md", "It has headings and no text"),
        (b"x", "a.exe", "Leave it out of the source, or convert it to one of .md"),
        (b"<script>x</script>", "a.html", "no text"),
        (b"<div>" * 1000 + b"x", "a.html", "nested deeper than 200"),
        (b"<p>x" * 500_001, "a.html", "more than 500,000 tags"),
        (b"<div>" * 200_000 + b"x", "a.html", "nested deeper than 2000"),
        (b"</p><div/><!-->" * 200_000 + b"x", "a.html", "nested deeper than 2000"),
        (b"\x89PNG", "a.png", "type '.png'"),
        (b"x", "Makefile", "without an ending"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, path: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read(data, path)


PAGE = """
<!doctype html><html><head><title>Site</title><style>p {}</style></head><body>
<nav><a href="/">Home</a></nav><script>alert(1)</script>
<h1 id="trips">Trips <em>abroad</em></h1>
loose   text
<p>One<br># two &amp; <b>three</b></p><p>1. four</p><p>- five</p>
<section id="far"><h2>Far <a class="headerlink" href="#far">¶</a></h2>
<div><p>Use <code>book  --now</code>, <a href="x">here</a>.</p></div></section>
<h3>*Not* {#an-id} # bold</h3>
<ul><li>one</li><li><p>two</p><p>more</p><ol><li>deep</li><li>er</li></ol></li></ul>
<pre><code>
def f():
    return "```"
</code></pre>
<table><thead><tr><th>City</th><th>Limit</th></tr></thead>
<tr><td>Bonn<td><p>100</p><p>or 110</p></tr><tr><td>a|b</table>
<table><tr><td><h2>In a table</h2><p>kept</p></td></tr></table>
<img alt="A map" src="x.png">
</body></html>
"""

TEXT = r"""# Trips abroad {#trips}

loose text

One
\# two & three

1\. four

\- five

## Far {#far}

Use `book --now`, here.

### \*Not\* \{\#an-id} \# bold

- one
- two

  more
  1. deep
  2. er

````
def f():
    return "```"
````

| City | Limit |
| --- | --- |
| Bonn | 100 or 110 |
| a\|b |  |

## In a table

kept

A map
"""


def test_html() -> None:
    document = read(PAGE, "site/trips.html")
    assert document.title == "Trips abroad"
    assert document.text == TEXT


def test_a_page_without_a_headline_is_called_by_its_title() -> None:
    assert read("<title>Site</title><p>x", "a.html").title == "Site"
    assert read("<p>x", "trips_abroad.html").title == "trips abroad"


@given(st.text(alphabet="#=-*_>`~<|[]{}.)+1a \n", min_size=1, max_size=60).filter(str.strip))
def test_the_text_of_a_page_makes_no_headings(text: str) -> None:
    escaped = text.replace("<", "&lt;")
    document = read(f"<p>{escaped}</p><p>{escaped}</p><h2 id=x>{escaped}</h2>", "a.html")
    assert headings(document.text) == 1
    assert document.text.rstrip("\n").endswith("{#x}")
