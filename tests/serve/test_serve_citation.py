"""What a citation leads to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from serve_world import section

from inhouse.core.artifact import Ref
from inhouse.serve.citation import link


@pytest.mark.parametrize(
    ("document", "anchor", "expected"),
    [
        ("notes/u16.txt", "", "notes/u16.txt"),
        ("a b/c#1 50%.md", "who pays?", "a%20b/c%231%2050%25.md#who%20pays%3F"),
        ("c:d.md", "größe", "c%3Ad.md#gr%C3%B6%C3%9Fe"),
        ("d.jsonl", "Travel%207", "d.jsonl#Travel%207"),
        ("my plan.PDF", "page-3-2", "my%20plan.PDF#page=3"),
        ("plan.md", "page-3", "plan.md#page-3"),
    ],
)
def test_a_link_is_an_address(document: str, anchor: str, expected: str) -> None:
    found = section(Ref.parse("data/handbook@abcd"), 0, "Pay", "text")
    assert link(replace(found, document=document, anchor=anchor)) == expected
