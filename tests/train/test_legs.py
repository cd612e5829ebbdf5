"""How much of each source a run reads: by weight, by times, by tokens, and stage by stage."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from train.tiny_llama import DATA, opened, repeated

from inhouse.core.errors import BadInput
from inhouse.train.held_out import parted
from inhouse.train.language import BASE, BEFORE, Language, mixer_of
from inhouse.train.legs import Leg, phases_of
from inhouse.train.schedule import Schedule
from inhouse.train.tokens import Tokens

HELD = {"data/a": 1000, "data/b": 300, "data/c": 7}
LENGTH, BATCH = 16, 8
names = st.lists(st.sampled_from(sorted(HELD)), min_size=1, unique=True).map(sorted)


def counted(*legs: Leg) -> list[dict[str, int]]:
    found = phases_of(legs, HELD, length=LENGTH, batch=BATCH, epochs=1.0)
    return Schedule(found).by_phase()


@given(names, st.data())
def test_each_source_is_read_so_many_times(mix: list[str], data: st.DataObject):
    times = [data.draw(st.integers(1, 5)) for _ in mix]
    leg = Leg(tuple(zip(mix, map(float, times), strict=True)), "repeat")
    then = Leg((("data/a", 1.0),), tokens=LENGTH)
    first, last = counted(leg, then)
    wanted = dict(zip(mix, times, strict=True))
    assert first == {name: wanted.get(name, 0) * HELD[name] for name in HELD if name in first}
    # What the last step lacks is read of the last mix.
    assert (sum(first.values()) + sum(last.values())) % BATCH == 0
    assert 1 <= last["data/a"] <= BATCH
    (alone,) = counted(leg)
    assert all(0 <= alone[name] - first[name] < BATCH for name in mix)


@given(names, st.data())
def test_so_many_tokens_of_each_source_are_read(mix: list[str], data: st.DataObject):
    many = [data.draw(st.integers(1, 10**6)) for _ in mix]
    leg = Leg(tuple(zip(mix, many, strict=True)), "tokens")
    first, _ = counted(leg, Leg((("data/b", 1.0),), tokens=1))
    rows = {name: math.ceil(tokens / LENGTH) for name, tokens in zip(mix, many, strict=True)}
    assert {name: first[name] for name in mix} == rows
    assert leg.read == sum(many)


def test_by_weight_a_budget_says_how_much():
    mix = (("data/a", 1.0), ("data/b", 3.0))
    assert counted(Leg(mix, tokens=8000 * LENGTH)) == [{"data/a": 2000, "data/b": 6000}]
    assert counted(Leg(mix, epochs=2.0)) == [{"data/a": 650, "data/b": 1950}]
    bare = (("data/a", 0.0), ("data/b", 0.0))
    assert counted(Leg(bare)) == [{"data/a": 1003, "data/b": 301}]
    assert Leg(bare).read is None


def test_a_run_has_a_mix_or_stages():
    stages = (Leg((("data/b", 2.0),), "repeat"), Leg((("data/a", 1.0),), tokens=5))
    spec = Language("continue", (), stages=stages)
    assert (spec.sources, spec.read) == (["data/a", "data/b"], None)
    assert Language("continue", (("data/a", 5.0),), mix_by="tokens").read == 5
    for mix, legs in (((), ()), ((("data/a", 1.0),), stages)):
        with pytest.raises(BadInput, match="a mix, or stages"):
            Language("continue", mix, stages=legs)


def test_a_base_says_where_its_sources_stand(tmp_path: Path):
    spec = Language("continue", ((DATA, 2.0),), mix_by="repeat", length=LENGTH, batch=BATCH)
    parts = {DATA: parted(DATA, Tokens(repeated(tmp_path / "notes")), length=LENGTH)}
    base = opened(tmp_path, "models/tiny")
    first, told = mixer_of(spec, parts, {BASE: base}, 0)
    assert (told["began"], told["anew"]) == ({}, {})
    trained = replace(base, artifact=replace(base.artifact, summary=told))
    for inputs in ({BASE: trained}, {BASE: base, BEFORE: trained}):
        later, more = mixer_of(spec, parts, inputs, 0)
        assert more["began"] == {DATA: len(first.schedule)}
        assert more["positions"][DATA]["samples"] == 2 * len(first.schedule)
        assert later.at(0).window.tolist() != first.at(0).window.tolist()
    _, anew = mixer_of(replace(spec, length=8), parts, {BASE: trained}, 0)
    assert anew["anew"] == {DATA: "its rows are of another length"}
