"""Mixing: exact shares, one order for all, resuming anywhere, and what was seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inhouse.core.errors import BadInput
from inhouse.train.mixer import Mixer
from inhouse.train.permutation import key_of, permuted
from inhouse.train.positions import begun, place_of, positions
from inhouse.train.schedule import Phase, Schedule
from inhouse.train.tokens import About, Tokenised, Tokens, write_tokens

LENGTH = 16
NAMES = ["data/a", "data/b", "data/c"]
ABOUT = About("t" * 64, 50_000)


def tokens_of(folder: Path, sizes: list[int], *, about: About = ABOUT, first: int = 0) -> Tokens:
    """Documents of the given sizes; all tokens of document i are `first` + i."""
    folder.mkdir(parents=True)
    write_tokens(
        folder,
        about,
        (Tokenised(f"d{i}", f"{first + i:x}", np.full(n, first + i)) for i, n in enumerate(sizes)),
    )
    return Tokens(folder)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Tokens]:
    folder = tmp_path_factory.mktemp("tokens")
    return {
        "data/a": tokens_of(folder / "a", [40] * 50),
        "data/b": tokens_of(folder / "b", [7] * 90, first=1000),
        "data/c": tokens_of(folder / "c", [300, 0, 25], first=2000),
    }


def schedule(draws: int = 4000, **settings: int) -> Schedule:
    return Schedule([Phase(draws, {"data/a": 0.5, "data/b": 0.3, "data/c": 0.2})], **settings)


@given(st.integers(1, 5000), st.integers(0, 2**64 - 1))
def test_a_permutation_hits_every_place_once(size: int, key: int) -> None:
    found = permuted(np.arange(size), size, np.array([key], np.uint64))
    assert sorted(found.tolist()) == list(range(size))


def test_a_permutation_of_any_size_needs_no_table() -> None:
    size = 2**61 + 7
    places = np.arange(size - 1000, size)
    found = permuted(places, size, np.array([5], np.uint64))
    assert len(np.unique(found)) == 1000
    assert found.min() < size // 50
    for wrong in (0, 2**62 + 1):
        with pytest.raises(ValueError, match="permutation"):
            permuted(places, wrong, np.array([5], np.uint64))


def test_keys_depend_on_each_part_and_their_order() -> None:
    keys = {int(key_of(a, b, c)) for a in range(20) for b in range(20) for c in range(20)}
    assert len(keys) == 8000
    assert key_of(1, 2) != key_of(2, 1)


def test_the_order_is_the_same_on_every_machine() -> None:
    """A checkpoint outlives the library versions that it was written with."""
    drawn = schedule(seed=3).draws(0, 12)
    assert drawn.source.tolist() == [0, 1, 0, 2, 0, 1, 2, 1, 0, 1, 2, 0]
    assert int(key_of(1, 2, 3)) == 16299856255350999488


shares = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 1e6), min_size=1, max_size=10)


@settings(deadline=None)
@given(shares, st.integers(0, 10**12), st.integers(0, 5))
def test_shares_are_exact_at_every_thousand(
    shares: Mapping[str, float], block: int, seed: int
) -> None:
    plan = Schedule([Phase(10**16, shares)], seed=seed)
    total = sum(shares.values())
    before, after = plan.counts(block * 1000), plan.counts((block + 1) * 1000)
    drawn = plan.draws(block * 1000, 1000)
    for place, name in enumerate(plan.sources):
        share = shares[name] / total
        off = abs(before[name] - share * block * 1000)
        assert off <= (1 if len(shares) <= 3 else 2) + block * 1e-9
        turns = drawn.turn[drawn.source == place]
        assert sorted(turns) == list(range(before[name], after[name]))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_stretch_is_part_of_the_whole(data: st.DataObject) -> None:
    plan = Schedule(
        [Phase(1700, {"a": 3, "b": 1}), Phase(900, {"b": 1, "c": 2}), Phase(10, {"a": 1})]
    )
    whole = plan.draws(0, len(plan))
    first = data.draw(st.integers(0, len(plan)))
    last = data.draw(st.integers(first, len(plan)))
    fresh = Schedule(plan.phases)
    part = fresh.draws(first, last - first)
    assert part.source.tolist() == whole.source[first:last].tolist()
    assert part.turn.tolist() == whole.turn[first:last].tolist()
    counts = fresh.counts(first)
    assert list(counts.values()) == np.bincount(whole.source[:first], minlength=3).tolist()


@pytest.mark.parametrize("world", [1, 2, 3, 8, 13])
def test_every_number_of_processes_reads_the_same(
    sources: Mapping[str, Tokens], world: int
) -> None:
    alone = Mixer(sources, schedule(), length=LENGTH, batch=12)
    for step in (0, 1, 77, len(alone) - 1):
        whole = alone.at(step)
        readers = [Mixer(sources, schedule(), length=LENGTH, batch=12) for _ in range(world)]
        parts = [m.at(step, rank=rank, world=world) for rank, m in enumerate(readers)]
        assert np.concatenate([p.tokens for p in parts]).tolist() == whole.tokens.tolist()
        sizes = [len(p.tokens) for p in parts]
        assert max(sizes) - min(sizes) <= 1
    with pytest.raises(ValueError, match="step"):
        alone.at(len(alone))


def test_each_pass_has_all_windows_in_another_order(sources: Mapping[str, Tokens]) -> None:
    mixer = Mixer(sources, Schedule([Phase(39 * 3, {"data/b": 1})]), length=LENGTH, batch=39)
    passes = [mixer.at(step).window.tolist() for step in range(3)]
    assert [sorted(one) for one in passes] == [list(range(39))] * 3
    assert len({tuple(one) for one in passes}) == 3


def test_windows_know_their_documents(sources: Mapping[str, Tokens]) -> None:
    mixer = Mixer(sources, schedule(), length=LENGTH, batch=10)
    first = {"data/a": 0, "data/b": 1000, "data/c": 2000}
    for step in range(30):
        batch = mixer.at(step)
        for row, (name, documents) in zip(batch.tokens, mixer.documents(batch), strict=True):
            inside = {first[name] + document for document in documents}
            assert set(row.tolist()) == inside - {2001}


def test_what_was_seen_is_the_sum_of_the_batches(sources: Mapping[str, Tokens]) -> None:
    mixer = Mixer(sources, schedule(), length=LENGTH, batch=10)
    wanted: dict[str, set[int]] = {name: set() for name in sources}
    for step in range(7):
        for name, documents in mixer.documents(mixer.at(step)):
            wanted[name].update(documents)
    found = mixer.seen(70)
    for name, seen in found.items():
        assert set(seen.documents.tolist()) == wanted[name] - ({1} if name == "data/c" else set())
        assert seen.passes == pytest.approx(seen.samples / sources[name].windows(LENGTH))
    assert sum(seen.samples for seen in found.values()) == 70
    assert mixer.seen(4000)["data/b"].documents.tolist() == list(range(90))
    assert mixer.seen(0) == {}


def test_a_run_goes_on_anywhere(sources: Mapping[str, Tokens]) -> None:
    plan = Schedule([Phase(10**12, {"data/a": 0.5, "data/b": 0.3, "data/c": 0.2})])
    mixer, again = (Mixer(sources, plan, length=LENGTH, batch=8) for _ in range(2))
    mixer.at(0)
    assert again.at(10**10 // 8).tokens.tolist() == mixer.at(10**10 // 8).tokens.tolist()
    places = {name: place_of(tokens, LENGTH, 0) for name, tokens in sources.items()}
    assert len(json.dumps(positions({}, places, mixer.positions(10**10)))) < 1000


Places = dict[str, dict[str, object]]
phases = st.lists(
    st.builds(
        Phase,
        st.integers(1, 150),
        st.dictionaries(st.sampled_from(NAMES), st.floats(0.1, 9), min_size=1),
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(phases, phases)
def test_a_later_run_goes_on_behind_what_was_read(
    sources: Mapping[str, Tokens], first: list[Phase], second: list[Phase]
) -> None:
    """Whatever the mixes: of each source the two runs together read whole passes, none twice."""
    before = Mixer(sources, Schedule(first), length=LENGTH, batch=1)
    begun = before.positions(len(before))
    after = Mixer(sources, Schedule(second), length=LENGTH, batch=1, begun=begun)
    windows: dict[str, list[int]] = {name: [] for name in sources}
    for mixer in (before, after):
        covered: dict[str, set[int]] = {name: set() for name in sources}
        for step in range(len(mixer)):
            batch = mixer.at(step)
            (found,) = mixer.documents(batch)
            covered[found[0]].update(found[1])
            windows[found[0]].append(int(batch.window[0]))
        seen = mixer.seen(len(mixer))
        for name in sources:
            empty = {1} if name == "data/c" else set()
            told = seen[name].documents.tolist() if name in seen else []
            assert set(told) == covered[name] - empty
    for name, read in windows.items():
        size = sources[name].windows(LENGTH)
        whole = len(read) // size
        for turn in range(whole):
            assert sorted(read[turn * size : (turn + 1) * size]) == list(range(size))
        assert len(set(read[whole * size :])) == len(read) - whole * size
        assert after.positions(len(after)).get(name, len(read)) == len(read)


def test_a_place_is_one_of_the_same_rows_only(
    sources: Mapping[str, Tokens], tmp_path: Path
) -> None:
    def places(
        length: int = LENGTH, seed: int = 0, **other: Tokens
    ) -> dict[str, dict[str, object]]:
        every = {**sources, **{f"data/{name}": tokens for name, tokens in other.items()}}
        return {name: place_of(tokens, length, seed) for name, tokens in every.items()}

    before = positions({"data/old": {"samples": 4}}, places(), dict.fromkeys(sources, 7))
    assert before["data/old"] == {"samples": 4}
    assert begun(before, places()).at == dict.fromkeys(sources, 7)
    more = tokens_of(tmp_path / "b", [7] * 91, first=1000)
    other = tokens_of(tmp_path / "c", [300, 0, 25], about=About("u" * 64, 50_000), first=2000)
    where = begun(before, places(b=more, c=other))
    assert where.at == {"data/a": 7}
    assert where.anew == {
        "data/b": "its data changed",
        "data/c": "it has another tokenizer or template",
    }
    assert set(begun(before, places(8)).anew.values()) == {"its rows are of another length"}
    assert set(begun(before, places(seed=1)).anew.values()) == {"its rows come in another order"}


def test_what_cannot_be_mixed_is_said(sources: Mapping[str, Tokens], tmp_path: Path) -> None:
    def mixed(tokens: Mapping[str, Tokens], length: int = LENGTH) -> None:
        Mixer(tokens, schedule(), length=length, batch=8)

    with pytest.raises(BadInput, match="no tokens of data/c"):
        mixed({name: tokens for name, tokens in sources.items() if name != "data/c"})
    with pytest.raises(BadInput, match="data/c has 325 tokens, and a sample takes 326"):
        mixed(sources, 326)
    other = tokens_of(tmp_path / "other", [99], about=About("u" * 64, 50_000))
    with pytest.raises(BadInput, match="different tokenizers"):
        mixed({**sources, "data/c": other})
    for shares in ({}, {"a": 0.0}, {"a": -1.0}, {"a": float("nan")}, {"a": float("inf")}):
        with pytest.raises(BadInput):
            Phase(10, shares)
    with pytest.raises(BadInput):
        Phase(0, {"a": 1})
    with pytest.raises(BadInput):
        Schedule([])


@pytest.mark.parametrize(("vocabulary", "size"), [(65_536, 2), (65_537, 4)])
def test_tokens_take_as_little_as_they_may(tmp_path: Path, vocabulary: int, size: int) -> None:
    about = About("t", vocabulary)
    found = write_tokens(tmp_path, about, [Tokenised("d", "x", np.array([0, vocabulary - 1]))])
    assert (tmp_path / "tokens.bin").stat().st_size == 2 * size
    assert Tokens(tmp_path).about == found
    assert Tokens(tmp_path).ids.tolist() == [0, vocabulary - 1]
    with pytest.raises(BadInput, match="outside of the vocabulary"):
        write_tokens(tmp_path, about, [Tokenised("d", "x", np.array([vocabulary]))])


def test_what_is_not_learnt_is_marked(tmp_path: Path) -> None:
    chats = [
        Tokenised("one", "1", np.arange(6), np.array([0, 0, 0, 1, 1, 1], bool)),
        Tokenised("two", "2", np.arange(4)),
    ]
    about = write_tokens(tmp_path, ABOUT, chats)
    assert (about.tokens, about.documents, about.learnt) == (10, 2, 7)
    tokens = {"chats": Tokens(tmp_path)}
    batch = Mixer(tokens, Schedule([Phase(2, {"chats": 1})]), length=5, batch=2).at(0)
    assert batch.loss is not None
    rows = dict(zip(batch.window.tolist(), batch.loss.tolist(), strict=True))
    assert rows == {0: [False, False, False, True, True], 1: [True] * 5}
    assert list(tokens["chats"].names()) == [("one", "1"), ("two", "2")]


def test_nothing_to_learn_is_refused(tmp_path: Path) -> None:
    masked = Tokenised("one", "1", np.arange(3), np.zeros(3, bool))
    with pytest.raises(BadInput, match="nothing to learn"):
        write_tokens(tmp_path, ABOUT, [masked])
    with pytest.raises(BadInput, match="holds no tokens"):
        Tokens(tmp_path / "elsewhere")
