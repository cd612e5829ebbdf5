from __future__ import annotations

import json
import subprocess
import sys

import pytest
from markdown_it import MarkdownIt

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Document
from inhouse.data.parse import documents
from inhouse.data.parts import LeftOut


def read(text: str | bytes, path: str) -> tuple[list[Document], list[LeftOut]]:
    data = text.encode() if isinstance(text, str) else text
    found = list(documents(path, data, "0" * 64))
    kept = [item for item in found if isinstance(item, Document)]
    return kept, [item for item in found if isinstance(item, LeftOut)]


RECORDS = [
    {"id": "a1", "heading": "Travel", "text": "Go."},
    {"id": 2, "heading": "Travel > Flights > Far", "text": "Ask."},
    {"id": "a 3", "heading": "Travel > Flights > Far", "text": "Again."},
    {"id": "a4", "heading": "Leave", "text": "Stay."},
]
TEXT = """\
# Travel {#a1}

Go.

## Flights

### Far {#2}

Ask.

### Far {#a%203}

Again.

# Leave {#a4}

Stay.

"""


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("Wembley Stadium\nIt stands in London.", "Wembley Stadium"),
        ("  Wembley   Stadium \n\nIt stands.", "Wembley Stadium"),
        ("It stands in London.", "w1"),
        (" ".join(["word"] * 13) + "\nIt stands.", "w1"),
    ],
)
def test_a_record_without_a_heading_stands_under_its_first_line(text: str, heading: str) -> None:
    ([document], _) = read(json.dumps({"id": "w1", "text": text}), "a.jsonl")
    assert document.text.startswith(f"# {heading} {{#w1}}\n\n")


def test_records_become_sections_of_one_document() -> None:
    lines = "\n".join(map(json.dumps, RECORDS)) + "\n"
    ([document], left_out) = read(lines, "hr/travel-rules.jsonl")
    assert (document.path, document.title) == ("hr/travel-rules.jsonl", "travel rules")
    assert (document.text, left_out) == (TEXT, [])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rows_are_records(delimiter: str) -> None:
    rows = [["ID", "Heading", "Text"]]
    rows += [[str(r["id"]), str(r["heading"]), str(r["text"])] for r in RECORDS]
    table = "\r\n".join(delimiter.join(row) for row in rows)
    ([document], left_out) = read("\ufeff" + table, "a.csv")
    assert (document.text, left_out) == (TEXT, [])


def test_bad_lines_are_named_and_the_rest_goes_on() -> None:
    lines = [
        '{"id": "a", "heading": "A", "text": "One."}',
        "{oops",
        "",
        "[1]",
        '{"id": "b", "text": " "}',
        '{"id": true, "text": "x"}',
        '{"heading": 3, "text": "x"}',
        '{"id": "a", "text": "x"}',
        '{"text": "\\ud800"}',
        "[" * 5000,
        '{"text": "Two."}',
    ]
    ([document], left_out) = read("\n".join(lines), "a.jsonl")
    assert document.text == "# A {#a}\n\nOne.\n\n# Record 11\n\nTwo.\n\n"
    assert [item.place for item in left_out] == [":2", ":4", ":5", ":6", ":7", ":8", ":9", ":10"]
    reasons = [item.reason for item in left_out]
    assert reasons[0] == (
        "It is not JSON: unexpected character, expected a string key at column 2. Mend the line."
    )
    assert reasons[5] == "Its id 'a' is that of line 1. Give each record an id of its own."


def test_a_text_that_is_no_text_is_told_from_none() -> None:
    (_, left_out) = read('{"text": 5}\n{"text": ""}\n{"id": "a"}\n', "a.jsonl")
    five, empty, missing, _ = (item.reason for item in left_out)
    assert five == "Its 'text' is not text. Put it between quotes."
    assert empty == missing
    assert empty.startswith("It has no text. Write 'text'")


def test_bad_rows_are_named_and_the_rest_goes_on() -> None:
    table = 'id,text\na,"One\nmore"\nb\nc,Two\n'
    ([document], [left_out]) = read(table, "a.csv")
    assert document.text == "# One {#a}\n\nOne\nmore\n\n# c {#c}\n\nTwo\n\n"
    assert left_out.place == ":4"
    assert left_out.reason.startswith("It has 1 column, and the head has 2. Put")


def test_a_bad_byte_costs_its_record() -> None:
    lines = b'{"text": "One"}\n{"text": "\xff"}\n{"text": "Two"}\noops\n'
    ([document], left_out) = read(lines, "a.jsonl")
    assert ("One" in document.text, "Two" in document.text) == (True, True)
    assert [item.place for item in left_out] == [":2", ":4"]
    assert left_out[0].reason == "It is not utf-8 text. Save it as UTF-8."
    ([document], [bad]) = read(b"text\nOne\n\xff\nTwo\n", "a.csv")
    assert ("One" in document.text, "Two" in document.text, bad.place) == (True, True, ":3")


def test_a_quotation_without_an_end_costs_what_stands_behind_it() -> None:
    ([document], [open_end]) = read('text\nOne\n"never\nends', "a.csv")
    assert "One" in document.text
    assert open_end.place == ":3"
    assert open_end.reason.startswith("The row that begins in line 3 is none of a table")


def test_ids_that_differ_stay_different() -> None:
    lines = "\n".join(json.dumps({"id": id, "text": "Go."}) for id in ("a b", "a-b", "a{b}", "ü"))
    ([document], left_out) = read(lines, "a.jsonl")
    assert left_out == []
    anchors = [line.partition("{#")[2][:-1] for line in document.text.splitlines() if "{#" in line]
    assert anchors == ["a%20b", "a-b", "a%7Bb%7D", "ü"]


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("a,b\n1,2\n", "a.csv", "no column 'text'"),
        (b"text\n\xff\0", "a.csv", "null characters"),
        (b"\xff\xfe{", "a.jsonl", "not utf-16"),
    ],
)
def test_what_cannot_be_read_says_why(text: str | bytes, path: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read(text, path)


def test_a_file_without_a_record_is_left_out() -> None:
    (kept, left_out) = read("oops\n", "a.jsonl")
    assert kept == []
    assert [item.place for item in left_out] == [":1", ""]


@pytest.mark.parametrize("risk", ["```\nopen", "~~~", "<!-- open", "<pre>", "# own", "own\n---"])
def test_no_record_swallows_the_next(risk: str) -> None:
    lines = [json.dumps({"id": n, "heading": f"H{n}", "text": risk}) for n in range(3)]
    ([document], _) = read("\n".join(lines), "a.jsonl")
    tokens = MarkdownIt("commonmark").parse(document.text)
    assert sum(token.type == "heading_open" for token in tokens) == 3


def test_markdown_in_a_record_stays() -> None:
    text = "```\n# code\n```\n\n- item"
    ([document], _) = read(json.dumps({"heading": "A", "text": text}), "a.jsonl")
    assert text in document.text


def test_null_characters_cost_one_record() -> None:
    lines = [{"id": "a", "text": "a\0b"}, {"id": "b\0", "text": "b"}, {"id": "c", "text": "c"}]
    kept, left_out = read("\n".join(map(json.dumps, lines)), "a.jsonl")
    assert [document.text for document in kept] == ["# c {#c}\n\nc\n\n"]
    assert [item.place for item in left_out] == [":1", ":2"]
    assert "null characters" in left_out[0].reason


def test_a_table_that_is_none_is_told_however_long_its_first_line_is() -> None:
    code = "import sys; from inhouse.data.parse import documents; "
    code += "list(documents('a.csv', b'x' * 200_000, ''))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "BadInput: Its first line names no column 'text'." in ran.stderr
