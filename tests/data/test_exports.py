from __future__ import annotations

from datetime import UTC, datetime

import pytest
from making_files import archive

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Document
from inhouse.data import archive as bounds
from inhouse.data.dates import moment
from inhouse.data.parse import documents
from inhouse.data.parts import LeftOut, Places

ID = "0123456789abcdef0123456789abcdef"


def read(files: dict[str, str | bytes]) -> tuple[dict[str, Document], dict[str, str]]:
    found = list(documents("wiki.zip", archive(files), "0" * 64))
    kept = [item for item in found if isinstance(item, Document)]
    left_out = [item for item in found if isinstance(item, LeftOut)]
    assert len({document.path for document in kept}) == len(kept)
    return {d.path: d for d in kept}, {item.place: item.reason for item in left_out}


def page(title: str, body: str) -> str:
    return (
        f"<html><head><title>People : {title}</title></head><body>"
        '<div id="main-header"><div id="breadcrumb-section">People</div>'
        f'<h1 id="title-heading"><span id="title-text"> People : {title} </span></h1></div>'
        '<div id="content"><div class="page-metadata">Created by Ana</div>'
        f'<div id="main-content" class="wiki-content group">{body}</div>'
        '<div class="pageSection group"><h2>Attachments:</h2>map.png</div></div>'
        '<div id="footer">Atlassian</div></body></html>'
    )


def test_a_confluence_space_as_pages() -> None:
    kept, left_out = read(
        {
            "HR/index.html": "<title>People (HR)</title><h2>Space Details</h2>",
            "HR/Travel_1.html": page("Travel", "<h2 id='Travel-Far'>Far</h2><p>Ask.</p>"),
            "HR/a_2.html": page("Pay : a/b ..", "<p>Well.</p>"),
            "HR/empty_3.html": page("Empty", ""),
            "HR/attachments/1/map.png": b"\x89PNG",
            "HR/styles/site.css": "",
        }
    )
    assert kept["wiki.zip/Travel"].text == "## Far {#Travel-Far}\n\nAsk.\n"
    assert kept["wiki.zip/Travel"].title == "Travel"
    assert kept["wiki.zip/Pay : a-b .."].title == "Pay : a/b .."
    assert len(kept) == 2
    assert left_out["/Empty"].startswith("It has no text.")
    assert left_out["/attachments"].startswith("2 files")


BODY = (
    '<p>Go&nbsp;<ac:link><ri:page ri:content-title="Leave" /></ac:link>.</p><h2>Code</h2>'
    '<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">py</ac:parameter>'
    "<ac:plain-text-body><![CDATA[a < b > c]]></ac:plain-text-body></ac:structured-macro>"
    '<ac:structured-macro ac:name="info"><ac:parameter ac:name="title">Mind</ac:parameter>'
    "<ac:rich-text-body><p>the gap</p></ac:rich-text-body></ac:structured-macro>"
    "<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>complete</ac:task-status>"
    '<ac:task-body>Pack <time datetime="2026-01-02" /></ac:task-body></ac:task></ac:task-list>'
    '<p>See <ac:link><ri:page ri:content-title="X" /><ac:plain-text-link-body>'
    "<![CDATA[here]]></ac:plain-text-link-body></ac:link>"
    '<ac:image><ri:attachment ri:filename="a.png" /></ac:image></p>'
)
TEXT = """\
Go Leave.

## Code

```
a < b > c
```

Mind

the gap

- Pack 2026-01-02

See here
"""


def item(number: int, title: str, status: str = "current", more: str = "") -> str:
    return (
        f'<object class="Page" package="p"><id name="id">{number}</id>'
        f'<property name="title"><![CDATA[{title}]]></property>{more}'
        f'<property name="contentStatus"><![CDATA[{status}]]></property></object>'
    )


def body(number: int, text: str, kind: int = 2) -> str:
    quoted = text.replace("]]>", "]]]]><![CDATA[>")
    return (
        f'<object class="BodyContent" package="p"><id name="id">9{number}</id>'
        f'<property name="body"><![CDATA[{quoted}]]></property>'
        f'<property name="content" class="Page" package="p"><id name="id">{number}</id></property>'
        f'<property name="bodyType">{kind}</property></object>'
    )


def backup(*objects: str, head: str = "") -> dict[str, str | bytes]:
    xml = f'<?xml version="1.0"?>{head}<hibernate-generic>{"".join(objects)}</hibernate-generic>'
    return {"entities.xml": xml, "exportDescriptor.properties": "spaceKey=HR", "attachments/1": ""}


OLD = '<property name="originalVersion" class="Page"><id name="id">1</id></property>'


def test_a_confluence_space_is_known_by_its_pages() -> None:
    files: dict[str, str | bytes] = {"index.html": "<h2>Bereich</h2>", "a.html": "<p>Hi.</p>"}
    with pytest.raises(BadInput, match="no export"):
        read(files)
    kept, left_out = read({**files, "b.html": page("Travel", "<p>Go.</p>"), "b.png": ""})
    assert kept["wiki.zip/Travel"].text == "Go.\n"
    assert left_out["/attachments"].startswith("1 file is no page")


def test_a_confluence_backup_gives_what_is_current() -> None:
    kept, left_out = read(
        backup(
            body(1, BODY),
            item(1, "Travel"),
            item(2, "Travel", more=OLD),
            body(2, "<p>old</p>"),
            item(3, "Draft", "draft"),
            body(3, "<p>draft</p>"),
            item(4, "Bin", "deleted"),
            body(4, "<p>bin</p>"),
            item(5, "Wiki"),
            body(5, "h1. Wiki", kind=0),
            item(6, "Bare"),
            '<object class="Comment"><id name="id">7</id></object>',
        )
    )
    assert {path: d.text for path, d in kept.items()} == {"wiki.zip/Travel": TEXT}
    assert set(left_out) == {"/Wiki", "/Bare", "/attachments"}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (backup(head='<!DOCTYPE a [<!ENTITY b "c">]>'), "declares a document type"),
        (backup(head='<!DOCTYPE a SYSTEM "http://x/y">'), "declares a document type"),
        (backup("<object>"), "entities.xml is broken"),
        (backup("<a>" * 200), "nested too deep"),
        ({"entities.xml": b" " * 2**22}, "200 times its size"),
        ({"a.md": "x"}, "no export"),
        ({"index.html": "<p>x"}, "no export"),
        ({}, "no export"),
    ],
)
def test_other_zips_say_why(files: dict[str, str | bytes], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read(files)


def test_a_notion_export() -> None:
    link = f"[Far](Travel%20{ID}/Far%20away%20{ID}.md) and https://notion.so/Far-{ID}"
    kept, left_out = read(
        {
            f"Travel {ID}.md": f"# Travel\n\nGo {link}.\n",
            f"Travel {ID}/Far away {ID}.html": "<h1>Far away</h1><p>Ask.</p>",
            f"Travel {ID}/Far away {ID[::-1]}.md": "# Far away\n\nAgain.\n",
            f"Cities {ID}.csv": "City\nBonn\n",
            f"Cities {ID}_all.csv": "\ufeffCity,Limit\nBonn,100\n",
            f"Bad {ID}.md": b"\xff",
            f"Travel {ID}/map.png": b"\x89PNG",
            f"../../{ID[:4]} {ID}.md": "x",
        }
    )
    assert {path: document.title for path, document in kept.items()} == {
        "wiki.zip/Travel": "Travel",
        "wiki.zip/Travel/Far away": "Far away",
        "wiki.zip/Travel/Far away 2": "Far away",
        "wiki.zip/Cities": "Cities",
        "wiki.zip/untitled/untitled/0123": "0123",
    }
    shown = f"[Far](Travel/Far%20away.md) and https://notion.so/Far-{ID}"
    assert kept["wiki.zip/Travel"].text == f"# Travel\n\nGo {shown}.\n"
    table = "# Cities\n\n| City | Limit |\n| --- | --- |\n| Bonn | 100 |\n"
    assert kept["wiki.zip/Cities"].text == table
    assert set(left_out) == {f"/Bad {ID}.md", "/attachments"}


def test_pages_have_the_time_that_the_export_gives() -> None:
    html = page("Far", "<p>Go.").replace("by Ana", "by Ana, last modified on Mar 05, 2024")
    changed = '<property name="lastModificationDate">2024-03-05 10:00:00.5</property>'
    notion = {
        f"A {ID}.md": "# A\n\nLast edited time: March 5, 2024 4:12 PM\n\nGo.\n",
        f"B {ID}.html": "<h1>B</h1><table><tr><th>Last edited time<td>@March 5, 2024</table>Go.",
        f"C {ID}.md": "# C\n\nLast edited: sometime\n",
    }
    kept = (
        read({"index.html": "<p>Confluence", "far.html": html, "near.html": page("Near", "Go.")})[0]
        | read(backup(item(1, "Travel", more=changed), body(1, "<p>Go.</p>")))[0]
        | read(notion)[0]
    )
    times = {d.title: d.modified for d in kept.values()}
    assert {t: at and datetime.fromtimestamp(at, UTC) for t, at in times.items()} == {
        "Far": datetime(2024, 3, 5, tzinfo=UTC),
        "Near": 0.0,
        "Travel": datetime(2024, 3, 5, 10, microsecond=500_000, tzinfo=UTC),
        "A": datetime(2024, 3, 5, 16, 12, tzinfo=UTC),
        "B": datetime(2024, 3, 5, tzinfo=UTC),
        "C": 0.0,
    }


def test_a_notion_export_in_parts() -> None:
    inner = archive({f"Travel {ID}.md": "# Travel\n\nGo.\n"})
    kept, left_out = read({"ExportBlock-1-Part-1.zip": inner, "ExportBlock-1-Part-2.zip": b"oops"})
    assert list(kept) == ["wiki.zip/Travel"]
    assert "broken zip" in left_out["/ExportBlock-1-Part-2.zip"]


def test_an_archive_is_bounded(monkeypatch) -> None:
    files: dict[str, str | bytes] = {f"A {ID}.md": "# A\n\nGo.", f"B {ID}.md": "# B\n\n" + "x" * 99}
    monkeypatch.setattr(bounds, "LARGEST", 50)
    kept, left_out = read(files)
    assert list(kept) == ["wiki.zip/A"]
    assert "more than the 1 MiB" in left_out[f"/B {ID}.md"]
    monkeypatch.setattr(bounds, "MOST", 1)
    with pytest.raises(BadInput, match="more than 1 files"):
        read(files)


@pytest.mark.parametrize("cut", [3, 60, -30])
def test_a_broken_archive_says_so(cut: int) -> None:
    whole = archive({f"A {ID}.md": "# A\n\nGo."})
    with pytest.raises(BadInput, match="broken zip"):
        list(documents("wiki.zip", whole[:cut], ""))


def test_a_damaged_page_does_not_stop_the_others() -> None:
    whole = bytearray(archive({f"A {ID}.md": "# A\n\nGo." * 9, f"B {ID}.md": "# B\n\nGo."}))
    whole[75] ^= 255
    found = list(documents("wiki.zip", bytes(whole), ""))
    assert [type(item) for item in found] == [LeftOut, Document]


def test_an_encrypted_page_is_left_out() -> None:
    whole = bytearray(archive({f"A {ID}.md": "# A\n\nGo."}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(mark) + at] |= 1
    [left_out] = documents("wiki.zip", bytes(whole), "")
    assert isinstance(left_out, LeftOut)
    assert "encrypted" in left_out.reason


def test_a_title_that_names_no_space_is_kept_whole() -> None:
    bare = '<title>Pay : all</title><div id="main-content">Well.</div>'
    kept, _ = read(
        {"HR/index.html": "Space Details", "HR/a_1.html": page("Leave", "x"), "HR/b_2.html": bare}
    )
    assert [document.title for document in kept.values()] == ["Leave", "Pay : all"]


def test_pages_of_one_name_are_told_apart_in_time() -> None:
    places = Places()
    taken = [places.take("Untitled") for _ in range(20_000)]
    assert taken[:2] == ["/Untitled", "/Untitled 2"]
    assert taken[-1] == "/Untitled 20000"
    assert places.take("untitled 2") == "/untitled 2 2"


def test_a_directory_that_would_fill_memory_is_not_read() -> None:
    data = archive({"index.html": "x"}) + bounds.ENTRY * (10 * bounds.MOST)
    with pytest.raises(BadInput, match="more than 100000 files"):
        bounds.Archive(data)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("9999-12-31T23:59:59-12:00", 0.0),
        ("9999-12-31", 253402214400.0),
        ("0001-01-01T00:00:00+14:00", 0.0),
        ("Mar 05, 2024", 1709596800.0),
        ("soon", 0.0),
    ],
)
def test_a_date_is_one_that_can_be_written(text: str, seconds: float) -> None:
    assert moment(text) == seconds
