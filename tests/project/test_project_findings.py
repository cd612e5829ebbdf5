"""Personal data that is found closes a data set, and all made from it, to who may not read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_project import edit, opened, quickly, write

from inhouse.core.artifact import Ref
from inhouse.core.errors import ProjectError

FILE = """\
project: findings
groups: {staff: [ana, bo, cy], pii: [ana], pii.email: [bo]}
data:
  tickets: {from: ./tickets.csv, label: staff}
  checked: {from: data/tickets, steps: [{pii: find}]}
  masked: {from: data/tickets, steps: [{pii: mask}, {pii: find}]}
  both: {from: [data/checked, data/masked]}
"""
TICKETS = "text,label\nWrite to ana@example.com.,a\nNothing here.,b\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, {"inhouse.yaml": FILE, "tickets.csv": TICKETS}) / "inhouse.yaml"


def readers(file: Path, path: str) -> list[str]:
    with opened(file) as project:
        access = project.catalog.access
        return [
            name
            for name in ("ana", "bo", "cy")
            if access.decide(access.actor(name), "read", Ref.parse(path), record=False).allowed
        ]


def test_findings_close_what_holds_them_and_all_made_from_it(file: Path) -> None:
    with opened(file) as project:
        planned = {one.step.path: one for one in project.plan().steps}
        assert planned["data/checked"].audience == ("ana", "bo", "cy"), "by its inputs"
        assert planned["data/checked"].reason == "new; what is found may add clauses to its label"
        assert "what is found in data/checked, data/masked may" in planned["data/both"].reason
        project.run()
        (again,) = (one for one in project.plan().steps if one.step.path == "data/both")
        assert (again.status, again.audience) == ("up to date", ("ana", "bo"))
    assert readers(file, "data/tickets") == ["ana", "bo", "cy"]
    assert readers(file, "data/checked") == ["ana", "bo"]
    assert readers(file, "data/masked") == ["ana", "bo", "cy"]
    assert readers(file, "data/both") == ["ana", "bo"]
    shown = quickly("show", "data/checked", "-a", "bo", cwd=file.parent).stdout
    assert "1. find  email  1         1" in shown
    write(file.parent, {"tickets.csv": TICKETS.replace("ana@example.com", "us")})
    with opened(file) as project:
        project.run()
    assert readers(file, "data/both") == ["ana", "bo", "cy"], "a version without findings"


def test_what_nobody_may_read_is_said_with_how_to_mend_it(file: Path) -> None:
    edit(file, ", pii: [ana], pii.email: [bo]", "")
    edit(file, "  both: {from: [data/checked, data/masked]}\n", "")
    ran = quickly("run", "-a", "ana", cwd=file.parent)
    assert ran.returncode == 0, ran.stderr
    said = " ".join(ran.stdout.split())
    assert "data/checked holds personal data (email), so it carries pii|pii.email: nobody" in said
    assert "groups: {pii: [NAME]}" in said
    assert readers(file, "data/checked") == []
    again = json.loads(quickly("run", "--json", "-a", "ana", cwd=file.parent).stdout)
    assert again["personal_data"] == [
        {"ref": "data/checked", "carries": "pii|pii.email", "readers": []}
    ]
    edit(file, "groups: {", "groups: {pii: [ana], ")
    with opened(file) as project:
        project.run()
    assert readers(file, "data/checked") == ["ana"]


def test_nothing_is_made_of_what_nobody_may_read(file: Path) -> None:
    edit(file, ", pii: [ana], pii.email: [bo]", "")
    with opened(file) as project:
        for _ in ("in the run that finds it", "in the next one"):
            with pytest.raises(ProjectError, match="nobody could use data/both") as caught:
                project.run()
            assert "groups: {pii: [NAME]}" in caught.value.fix
        assert project.catalog.find(Ref.parse("data/both")) is None


def test_only_counting_closes_nothing(file: Path) -> None:
    edit(file, "checked: {from: data/tickets, steps: [{pii: find}]}",
         "checked: {from: data/tickets, steps: [{pii: {how: find, label: false}}]}")  # fmt: skip
    with opened(file) as project:
        project.run()
        assert project.artifact(Ref.parse("data/checked")).summary["personal_data"]
    assert readers(file, "data/checked") == ["ana", "bo", "cy"]
