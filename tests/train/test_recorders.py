"""The figures of a run arrive where they were asked for, and what it costs is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from train.test_language import FULL, STEPS
from train.tiny_llama import DATA, repeated, tiny_llama, trained

from inhouse.core.errors import MissingExtra
from inhouse.train import recorders
from inhouse.train.pace import cost


@pytest.mark.train
def test_tensorboard_shows_a_run_and_what_it_costs(tmp_path: Path):
    shown = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    base, data = tiny_llama(tmp_path / "base"), {DATA: repeated(tmp_path / "data")}
    reports = (("tensorboard", str(tmp_path / "runs"), "house"),)
    spec = replace(FULL, reports=reports, price=(3600.0, "EUR"), watch=6)
    said: list[str] = []
    found = trained(
        spec, base, data, tmp_path / "0123456789", progress=lambda *told: said.append(told[2])
    ).summary
    events = shown.EventAccumulator(str(tmp_path / "runs" / "house" / "01234567")).Reload()
    losses = events.Scalars(f"loss/{DATA}")
    assert [one.step for one in losses] == list(range(1, STEPS + 1))
    assert [one.step for one in events.Scalars(f"perplexity/{DATA}")] == [0, 6, STEPS]
    assert events.Scalars("tokens_per_second")[-1].value > 0
    assert found["cost"]["EUR"] > 0
    assert " EUR" in said[-1]
    card = (tmp_path / "0123456789" / "card.md").read_text(encoding="utf-8")
    assert "It cost " in card
    assert str(tmp_path) not in card


def test_what_is_not_installed_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recorders, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"Reporting to mlflow needs"):
        recorders.require([("mlflow", "http://host:5000", "house")])


def test_a_price_is_of_an_hour():
    assert cost(1800, (2.5, "USD")) == {"USD": 1.25}
    assert cost(1800, None) == {}
