"""What was tried to make a model small, as `inhouse show` prints it."""

import pytest

from inhouse.cli.smaller import print_rungs, scatter, take_rungs


def test_points_stand_by_their_logarithm():
    lines = scatter([(1, 0.5), (8, 0.9), (64, 1.0)])
    assert lines[0].startswith(" 100.0% ┤") and lines[0].endswith("3")
    assert lines[-2].startswith("  50.0% ┤1")
    (middle,) = (line for line in lines if "2" in line)
    assert middle.index("2") - 9 == 28
    assert scatter([(0, 0.5)])[-2].startswith("  50.0% ┤1")


def test_rungs_are_a_table_and_no_other_summary_is(capsys: pytest.CaptureFixture[str]):
    rung = {
        "name": "hashed words", "bytes": 400_000, "accuracy": 0.9, "points": -1.5, "low": -2.25,
        "high": -0.75, "p50_ms": 0.04, "p95_ms": 0.08, "front": True,
    }  # fmt: skip
    teacher = rung | {"name": "teacher", "accuracy": 0.915, "bytes": 45_000_000, "front": False}
    summary = {
        "form": "hashed words",
        "accuracy": 0.9,
        "development": {"texts": 1000, "rungs": [rung, teacher]},
    }
    assert take_rungs({"development": [1]}) == {}
    print_rungs(take_rungs(summary))
    assert list(summary) == ["form", "accuracy"]
    printed = capsys.readouterr().out
    assert "on 1000 texts" in printed
    row = next(line for line in printed.splitlines() if "hashed words" in line)
    for said in ("1 *", "400.0 kB", "90.00%", "-1.50", "-2.25 to -0.75", "0.04 / 0.08", "yes"):
        assert said in row
    assert "teacher" in printed
    print_rungs({})
    assert capsys.readouterr().out == ""
