"""How far long work is, in words."""

import pytest

from inhouse.cli.progress import shown


def test_a_log_says_how_long_the_rest_will_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    now = 0.0
    monkeypatch.setattr("inhouse.cli.progress.time.monotonic", lambda: now)
    with shown(quiet=False) as display:
        progress = display.task("an index")
        for now, done in ((30.0, 0), (31.0, 10), (50.0, 200), (125.0, 950), (140.0, 1000)):
            progress(done, 1000, "passages")
        now = 160.0
        progress(7, 0, "files")
    assert capsys.readouterr().err.splitlines() == [
        "an index",
        "  0 of 1,000 passages",
        "  200 of 1,000 passages, 80 s left",
        "  950 of 1,000 passages, 5 s left",
        "  1,000 of 1,000 passages",
        "  7 files",
    ]
