"""Rows of files: what is read, what is told of what cannot be, and within which bounds."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inhouse.core.errors import BadInput
from inhouse.data import tables
from inhouse.data.reading import Reading, shape_in
from inhouse.data.tables import head, rows

ROWS: list[dict[str, Any]] = [{"text": "One", "n": 1}, {"text": "Zwölf", "n": 12}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def parquet(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def read(path: str, data: bytes) -> list[tuple[int, Any]]:
    return list(rows(path, io.BytesIO(data)))


FORMS = {
    "lines": ("a.jsonl", LINES.encode()),
    "mark": ("a.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
    "utf-16": ("a.jsonl", LINES.encode("utf-16")),
    "packed": ("A.JSONL.GZ", gzip.compress(LINES.encode())),
    "list": ("a.json", json.dumps(ROWS).encode()),
    "parquet": ("a.parquet", parquet(ROWS)),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_same_rows(form: str, tmp_path: Path) -> None:
    path, data = FORMS[form]
    assert [dict(fields) for _, fields in read(path, data)] == ROWS
    (tmp_path / path).write_bytes(data)
    with (tmp_path / path).open("rb") as file:
        assert [number for number, _ in rows(path, file)] == [1, 2]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_says_which_delimiter_it_has(delimiter: str) -> None:
    text = f'text{delimiter}intent\n"One{delimiter}\nmore"{delimiter}a\nTwo{delimiter}b\n'
    assert read("a.csv", text.encode()) == [
        (3, {"text": f"One{delimiter}\nmore", "intent": "a"}),
        (4, {"text": "Two", "intent": "b"}),
    ]


def test_bad_lines_are_told_with_their_numbers() -> None:
    data = b'{"text": "One"}\n\nno\n[1]\n{"text": "\xff"}\n{"text": "Two"}\n'
    found = read("a.jsonl", data)
    assert [number for number, _ in found] == [1, 3, 4, 5, 6]
    assert [found[0][1], found[-1][1]] == [{"text": "One"}, {"text": "Two"}]
    assert all(isinstance(found[n][1], str) for n in (1, 2, 3))
    assert "utf-8" in found[3][1]


def test_a_table_of_which_nothing_can_be_read_says_what_is_wrong_first() -> None:
    reading = Reading(sections=False)
    with pytest.raises(BadInput) as told:
        shape_in("a.csv", io.BytesIO(b'a,b\n"no,end\n1,2\n'), reading)
    assert "Line 2: The row that begins in line 2 is none of a table" in str(told.value)
    with pytest.raises(BadInput, match="It has no rows"):
        shape_in("a.jsonl", io.BytesIO(b""), reading)


def test_rows_of_a_table_that_do_not_fit_are_told() -> None:
    (_, short), (_, good), (line, open_end) = read("a.csv", b'a,b\n1\n1,2\n"no,end\n')
    assert "It has 1 column, and the head has 2" in short
    assert good == {"a": "1", "b": "2"}
    assert (line, "Mend the quotes" in open_end) == (4, True)


@pytest.mark.parametrize(
    ("path", "data", "why"),
    [
        ("a.jsonl.gz", b"not packed", "broken gzip"),
        ("a.json", b"{}", "no list"),
        ("a.json", b"[1", "not JSON"),
        ("a.parquet", b"PAR1", "not a Parquet file"),
        ("a.csv", b"", "It is empty"),
        ("a.csv", b"\na,b\n", "first line is empty"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(path: str, data: bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        read(path, data)


def test_what_is_cut_off_gives_what_stands_before() -> None:
    whole = gzip.compress(b"".join(b'{"text": "%d"}\n' % n for n in range(20_000)))
    found = read("a.jsonl.gz", whole[: len(whole) // 2])
    assert len(found) > 100
    assert "What stands behind it was not read" in found[-1][1]


def test_a_packed_file_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SMALL", 1000)
    bomb = gzip.compress(b'{"text": "a"}\n' * 2**20)
    assert "200 times its size" in read("a.jsonl.gz", bomb)[-1][1]


@pytest.mark.parametrize("more", [91, 92, 200, 300])
def test_a_line_has_a_bound_and_those_behind_it_are_read(
    more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LONGEST_LINE", 100)
    long = b"a" * more
    lines = read("a.jsonl", b'{"text": "' + long + b'"}\n{"text": "after"}\n')
    assert lines == [(1, tables.TOO_LONG), (2, {"text": "after"})]
    rows = read("a.csv", b"text,label\nx,1\n" + long + b"01234567,2\ny,3\n")
    assert rows == [
        (2, {"text": "x", "label": "1"}), (3, f"{tables.TOO_LONG} {tables.REST}"),
    ]  # fmt: skip
    rows = read("a.csv", b'text,label\n"x\n' + long + b'01234567",2\ny,3\n')
    assert [number for number, _ in rows] == [2, 3]
    assert all(isinstance(said, str) for _, said in rows)


def test_a_column_has_a_name_of_its_own() -> None:
    with pytest.raises(BadInput, match="Two of its columns are called 'text'"):
        read("a.csv", b"text,text\nx,y\n")
    assert read("a.csv", b"text,,\nx,y,z\n") == [(2, {"text": "x", "": "z"})]


def test_numbered_classes_get_the_names_that_the_hub_keeps() -> None:
    names = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    table = pa.table({"text": ["a", "b", "c"], "label": [1, 0, -1]})
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(names)}), out)
    assert [fields["label"] for _, fields in read("a.parquet", out.getvalue())] == ["yes", "no", -1]


def test_the_head_is_the_first_good_rows() -> None:
    data = b"no\n" + LINES.encode() * 30
    assert len(head("a.jsonl", io.BytesIO(data))) == 20
