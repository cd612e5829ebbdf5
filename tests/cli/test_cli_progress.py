"""How far long work is, in words."""

from types import SimpleNamespace

import pytest

from inhouse.cli.progress import shown


def test_a_log_says_how_long_the_rest_will_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("inhouse.cli.progress.time.monotonic", lambda: clock.now)
    with shown(quiet=False) as display:
        progress = display.task("an index")
        for seconds, done in ((30, 0), (31, 10), (50, 200), (125, 950), (140, 1000)):
            clock.now = seconds
            progress(done, 1000, "passages")
        clock.now = 160
        progress(7, 0, "files")
    assert capsys.readouterr().err.splitlines() == [
        "an index",
        "  0 of 1,000 passages",
        "  200 of 1,000 passages, 80 s left",
        "  950 of 1,000 passages, 5 s left",
        "  1,000 of 1,000 passages",
        "  7 files",
    ]
