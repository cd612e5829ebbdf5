"""`inhouse show`, `explain`, `diff` and `run --dry-run` say what became of each row."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from small_project import inhouse, opened, quickly, write

from inhouse.cli.judged import gained, worse
from inhouse.core.artifact import Ref
from inhouse.core.errors import NotFound
from inhouse.project.rows import explain, rehearse

PROJECT = """
project: rows
groups: {staff: [ana]}
data:
  raw: {from: ./docs, label: staff}
  clean: {from: data/raw, steps: [{sample: 3}]}
"""


@pytest.fixture
def cleaned(tmp_path: Path) -> Path:
    pages = {f"docs/{n}.md": f"# Page {n}\n\nWords of page {n}.\n" for n in range(5)}
    write(tmp_path, {"inhouse.yaml": PROJECT, "docs/empty.md": "", **pages})
    ran = inhouse("run", "data/clean", "-a", "ana", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    return tmp_path


NOTED = """
project: noted
groups: {staff: [ana, bo], pii: [ana]}
data:
  raw: {from: ./notes.jsonl, label: staff}
  looked: {from: data/raw, steps: [{pii: find}]}
"""


def test_the_rows_of_which_something_was_noted_are_listed_for_readers_alone(tmp_path: Path):
    said = ["Nothing is here.", "Write to ana@example.com.", "Or call 212-555-0147, Maria Lopez."]
    rows = "".join(json.dumps({"id": f"n{n}", "text": text}) + "\n" for n, text in enumerate(said))
    write(tmp_path, {"inhouse.yaml": NOTED, "notes.jsonl": rows})
    assert inhouse("run", "-a", "ana", cwd=tmp_path).returncode == 0
    listed = quickly("explain", "data/looked", "-a", "ana", cwd=tmp_path).stdout
    assert re.search(r"notes\.jsonl/n1 +1 +pii: email; 1 *\n", listed)
    assert re.search(r"notes\.jsonl/n2 +1 +pii: person; 1 *\n", listed)
    assert "notes.jsonl/n0" not in listed
    assert "ana@example.com" not in listed
    plain = quickly("explain", "data/looked", "-a", "ana", "--json", cwd=tmp_path).stdout
    assert [note["rule"] for note in json.loads(plain)["noted"]] == ["email", "person", "phone"]
    assert quickly("explain", "data/looked", "-a", "bo", cwd=tmp_path).returncode != 0
    none = quickly("explain", "data/raw", "-a", "ana", cwd=tmp_path).stdout
    assert none == "No step noted anything of a row in data/raw.\n"


def fates(folder: Path) -> dict[str, str]:
    found = {}
    for n in range(5):
        told = quickly("explain", "data/clean", f"docs/{n}.md", "-a", "ana", "--json", cwd=folder)
        found[f"docs/{n}.md"] = json.loads(told.stdout)["state"]
    return found


def test_what_became_of_rows(cleaned: Path):
    shown = quickly("show", "data/clean", "-a", "ana", cwd=cleaned).stdout
    assert re.search(r"came in +5 .*100\.0%", shown)
    assert re.search(r"1\. sample +3 +-2 .*60\.0%", shown)
    assert "1. sample dropped: not drawn 2" in shown
    states = fates(cleaned)
    assert sorted(states.values()) == ["dropped"] * 2 + ["in"] * 3
    gone = next(id for id, state in states.items() if state == "dropped")
    told = quickly("explain", "data/clean", gone, "-a", "ana", cwd=cleaned).stdout
    assert re.match(rf"{gone} was dropped from data/clean@\w+ by step 1, sample: not drawn;", told)
    told = quickly("explain", "data/clean", "docs/empty.md", "-a", "ana", cwd=cleaned).stdout
    assert "docs/empty.md was left out of data/raw@" in told
    missing = quickly("explain", "data/clean", "docs/9.md", "-a", "ana", cwd=cleaned)
    assert missing.returncode == 2
    assert "There is no row 'docs/9.md'" in missing.stderr
    short = quickly("explain", "data/clean", "3.md", "-a", "ana", cwd=cleaned)
    assert "Did you mean 'docs/3.md'?" in short.stderr


def test_a_file_left_out_is_told_where_folder_and_data_set_are_called_alike(tmp_path: Path):
    text = PROJECT.replace("raw", "docs")
    write(tmp_path, {"inhouse.yaml": text, "docs/a.md": "# A\n\nWords.\n", "docs/b.md": ""})
    with opened(tmp_path / "inhouse.yaml") as project:
        with pytest.raises(NotFound, match=r"Make it with: inhouse run data/docs$"):
            rehearse(project, "data/clean")
        project.run("data/docs")
        assert rehearse(project, "data/clean")["of"] == 1
        project.run("data/clean")
        fate = explain(project, Ref("data", "clean"), "docs/b.md")
    assert (fate.state, fate.ref.path) == ("left out", "data/docs")


def test_a_project_without_a_name_is_told_what_to_write(tmp_path: Path):
    write(tmp_path, {"inhouse.yaml": "data:\n  raw: {from: ./docs}\n"})
    told = quickly("plan", cwd=tmp_path).stderr
    assert "'project' is missing.\n  Write 'project: NAME' above the rest." in told


def test_rows_are_shown_to_whoever_may_read_them(cleaned: Path):
    plain = json.loads(quickly("show", "data/clean", "-a", "bo", "--json", cwd=cleaned).stdout)
    assert plain["funnel"] is None
    version = plain["version"][:8]
    for words in (
        ("explain", "data/clean", "docs/1.md"),
        ("diff", f"data/clean@{version}", "data/clean"),
        ("run", "data/clean", "--dry-run"),
    ):
        refused = quickly(*words, "-a", "bo", cwd=cleaned)
        assert refused.returncode == 2
        assert "bo may not read data/" in refused.stderr
        assert "docs/" not in refused.stdout + refused.stderr


def test_two_versions_are_compared(cleaned: Path):
    before = json.loads(quickly("show", "data/clean", "--json", "-a", "ana", cwd=cleaned).stdout)
    file = cleaned / "inhouse.yaml"
    file.write_text(file.read_text().replace("sample: 3", "sample: 2"))
    assert inhouse("run", "data/clean", "-a", "ana", cwd=cleaned).returncode == 0
    words = ("diff", f"data/clean@{before['version'][:8]}", "data/clean", "-a", "ana")
    told = quickly(*words, cwd=cleaned).stdout
    assert "step 1, sample: rows 3 -> 2" in told
    assert "1 removed, sample: not drawn" in told
    plain = json.loads(quickly(*words, "--json", cwd=cleaned).stdout)
    assert (plain["added"], len(plain["removed"]), plain["same"]) == ([], 1, 2)


def test_a_dry_run_keeps_nothing(cleaned: Path):
    file = cleaned / "inhouse.yaml"
    file.write_text(file.read_text().replace("sample: 3", "sample: 1"))
    told = quickly("run", "data/clean", "--dry-run", "-a", "ana", cwd=cleaned).stdout
    assert "A sample of 5 of 5 rows; nothing is kept." in told
    assert re.search(r"1\. sample +1 +-4", told)
    assert "sample: not drawn; the limit is 1" in told
    assert sorted(fates(cleaned).values()) == ["dropped"] * 2 + ["in"] * 3
    wrong = quickly("run", "data/raw", "--dry-run", "-a", "ana", cwd=cleaned)
    assert "data/raw is not made by steps." in wrong.stderr
    unnamed = quickly("run", "--dry-run", "-a", "ana", cwd=cleaned)
    assert "A dry run is of one data set." in unnamed.stderr


def test_a_step_that_is_wrong_is_told_with_its_line(cleaned: Path):
    file = cleaned / "inhouse.yaml"
    file.write_text(file.read_text().replace("sample: 3", "dedupe: exact"))
    told = quickly("plan", cwd=cleaned).stderr
    assert (
        "inhouse.yaml:6: item 1 of 'data.clean.steps' is wrong: there is no step 'dedupe'" in told
    )
    assert "Did you mean 'dedup'?" in told
    file.write_text(PROJECT.replace("data/raw, steps", "./docs, steps"))
    told = quickly("plan", cwd=cleaned).stderr
    assert "steps clean data sets, and 'from' names files." in told


def test_all_versions_of_a_data_set_are_listed_to_compare_them(cleaned: Path):
    def listed() -> list[dict[str, object]]:
        return json.loads(quickly("ls", "data/clean", "--json", cwd=cleaned).stdout)["artifacts"]

    (first,) = listed()
    assert "diff" not in quickly("ls", "data/clean", cwd=cleaned).stdout
    write(cleaned, {"inhouse.yaml": PROJECT.replace("sample: 3", "sample: 4")})
    assert inhouse("run", "data/clean", "-a", "ana", cwd=cleaned).returncode == 0
    assert [(one["version"] == first["version"], one["current"]) for one in listed()] == [
        (False, True),
        (True, False),
    ]
    told = quickly("ls", "data/clean", cwd=cleaned).stdout
    (next_up,) = re.findall(r"next: inhouse (diff .*)", told)
    compared = quickly(*next_up.split(), "-a", "ana", cwd=cleaned)
    assert "step 1, sample: rows 3 -> 4" in compared.stdout
    assert "Did you mean 'data/clean'?" in quickly("ls", "data/claen", cwd=cleaned).stderr


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ((75, 83.33, 8.33, 0, 25), "a gain of 8.3 points that may be chance (+0.0 to +25.0)"),
        ((75, 83.33, 8.33, 2, 25), "a gain of 8.3 points (+2.0 to +25.0)"),
        ((80, 70, -10, -15.2, -4), "a loss of 10.0 points (-15.2 to -4.0)"),
        ((80, 80, 0, 0, 0), "neither gain nor loss (+0.0 to +0.0)"),
    ],
)
def test_what_new_examples_are_worth_is_said_in_words(figures: tuple[float, ...], words: str):
    names = ("without", "with", "gain", "low", "high")
    gain = {**dict(zip(names, figures, strict=True)), "held out": 12}
    said = gained(gain)
    assert said.startswith(f"{figures[0]:.1f} -> {figures[1]:.1f} % right of 12 held out: ")
    assert said.endswith(words)
    told = worse({"data/gold": {"examples": 9}, "data/more": {"gain": gain}})
    assert [line.split()[0] for line in told] == ["data/more"] * (figures[2] < 0)
