"""The benches are there, and what they write is what readers of results expect."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHES = sorted(p.stem for p in (ROOT / "bench").glob("*.py") if not p.stem.startswith("_"))
RESULTS = sorted((ROOT / "bench" / "results").glob("*.json"))
MACHINE = {"cpu", "cores", "memory_gib", "os", "python", "load"}
ROW = {"name", "unit", "ours", "peer_name", "peer", "ratio", "target", "ok"}


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


def bench(*words):
    command = [sys.executable, "-m", "bench", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def assert_schema(found):
    assert set(found) == {"machine", "commit", "rows"}
    assert set(found["machine"]) == MACHINE
    assert isinstance(found["commit"], str)
    assert len({row["name"] for row in found["rows"]}) == len(found["rows"]) > 0
    for row in found["rows"]:
        assert set(row) == ROW
        for name in ("ours", "peer", "ratio"):
            figure = row[name]
            if figure is not None or name == "ours":
                assert set(figure) == {"value", "low", "high"}
                assert figure["low"] <= figure["value"] <= figure["high"]
        assert (row["peer"] is None) == (row["ratio"] is None)
        assert row["ok"] in (True, False, None)
        missing = row["peer_name"] is not None and row["peer"] is None
        assert (row["ok"] is None) == (row["target"] is None or missing)


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_can_be_run(name):
    module = import_module(f"bench.{name}")
    assert callable(module.run)
    assert name in import_module("bench.__main__").names()


@pytest.mark.parametrize("words", [(), ("nope",), ("start", "catalog")])
def test_without_a_known_name_the_benches_are_listed(words):
    done = bench(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    sentence, *listed = done.stderr.splitlines()
    assert sentence.endswith("these are there:")
    assert [line.split()[0] for line in listed] == BENCHES


@pytest.mark.parametrize("file", RESULTS, ids=lambda p: p.stem)
def test_results_are_whole_and_on_the_page(file):
    report = import_module("bench.harness.report")
    found = json.loads(file.read_text("utf-8"))
    assert_schema(found)
    page = report.PAGE.read_text("utf-8")
    assert f"<!-- {file.stem} -->" in page
    assert report.shown(page, file.stem, found) == page


def test_a_result_has_the_schema_and_names_no_machine(capsys):
    report, measure = import_module("bench.harness.report"), import_module("bench.harness.measure")
    goal = measure.Goal("ratio", 2)
    samples = measure.Samples([1.0, 2.0, 3.0], [4.0, 4.0, 4.0])
    rows = [
        measure.Row.of(measure.Measure("a", "ms", goal), samples, "peer[x]"),
        measure.Row.of(measure.Measure("b", "ms", goal), measure.Samples([1.0], None), "peer"),
        measure.Row.of(measure.Measure("c", "ms", measure.Goal("ours", 1)), samples),
        measure.Row.of(measure.Measure("d", "ms"), samples, "peer"),
    ]
    found = report.result(rows)
    assert_schema(json.loads(json.dumps(found)))
    assert [row["ok"] for row in found["rows"]] == [True, None, False, None]
    assert found["rows"][0]["ratio"] == {"value": 2.0, "low": 1.667, "high": 3.0}
    assert str(ROOT) not in json.dumps(found)
    report.print_rows(rows)
    printed = capsys.readouterr().out
    assert "peer[x]" in printed
    assert "unavailable" in printed


def test_rounds_take_turns():
    measure = import_module("bench.harness.measure")
    order = []

    def one() -> float:
        order.append("one")
        return len(order)

    def two() -> float:
        order.append("two")
        return 1.0

    samples = measure.interleave(one, two, rounds=2, scale=10)
    assert order == ["two", "one", "one", "two", "two", "one"]
    assert samples == measure.Samples([30.0, 60.0], [10.0, 10.0])
    assert measure.interleave(two, None, rounds=1).peer is None


def test_more_may_be_better():
    measure = import_module("bench.harness.measure")
    speed = measure.Measure("speed", "MB/s", measure.Goal("ratio", 0.8), more=True)
    row = measure.Row.of(speed, measure.Samples([90.0], [100.0]), "peer")
    assert (row.ratio.value, row.ok) == (0.9, True)


def test_a_peer_that_cannot_be_installed_is_unavailable(monkeypatch, tmp_path):
    peer = import_module("bench.harness.peer")
    monkeypatch.setattr(peer, "PEERS", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    missing = peer.Peer("missing", (("no-such-package-anywhere==1",),))
    assert not missing.ready()
    with peer.worker(missing, "cedar_decide", "kept") as rounds:
        assert rounds is None


def test_fitted_weights_refuse_a_tenth_of_the_answerable_of_every_set_alike():
    support = import_module("bench.harness.support")
    cases = [
        support.Case(name, "made up", f"{name} {n}", kind, (n / size + shift, 0.5 + n % 2), 0.0)
        for name, size in (("large", 200), ("small", 20))
        for kind, shift in (("ANSWERABLE", 1.0), ("UNANSWERABLE", 0.5))
        for n in range(size)
    ]
    fitted = support.fit(cases)
    assert fitted.weights[0] > 10 * abs(fitted.weights[1])
    for name in ("large", "small"):
        mine = [c for c in cases if c.set == name and c.answerability == "ANSWERABLE"]
        assert (fitted.weigh(mine) < 0).mean() == pytest.approx(0.1, abs=0.06)
    weighed = support.out_of_fold(cases, 0)
    assert weighed.shape == (len(cases),)
    assert (weighed == support.out_of_fold(cases, 0)).all()
