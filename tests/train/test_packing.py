"""Packing: whole conversations in rows, little room lost, and the same rows every time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inhouse.train.mixer import Mixer
from inhouse.train.packing import packed, pieces
from inhouse.train.samples import samples_of
from inhouse.train.schedule import Phase, Schedule
from inhouse.train.tokens import About, Tokenised, Tokens, write_tokens

LENGTH = 32


def chat(number: int, turns: list[tuple[int, int]]) -> Tokenised:
    """A conversation of turns of so many tokens, first asked and then answered ones."""
    loss = np.concatenate([np.repeat([False, True], turn) for turn in turns])
    return Tokenised(f"c{number}", f"{number:x}", np.full(len(loss), number + 1), loss)


def chats_of(folder: Path, sizes: list[list[tuple[int, int]]]) -> Tokens:
    folder.mkdir(parents=True, exist_ok=True)
    about = About("t" * 64, 50_000, template="c" * 64)
    write_tokens(folder, about, [chat(number, turns) for number, turns in enumerate(sizes)])
    return Tokens(folder)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Tokens]:
    folder = tmp_path_factory.mktemp("packed")
    (folder / "text").mkdir()
    about = About("t" * 64, 50_000)
    write_tokens(folder / "text", about, [Tokenised("d", "d", np.arange(1000))])
    sizes = [[(1 + n % 5, 1 + n % 3)] * (1 + n % 4) for n in range(60)]
    return {
        "data/chats": chats_of(folder / "chats", sizes),
        "data/text": Tokens(folder / "text"),
    }


@given(st.lists(st.integers(1, 100), max_size=200))
def test_rows_hold_what_fits_and_no_two_could_be_one(sizes: list[int]) -> None:
    given_sizes = np.array(sizes, np.int64)
    rows = packed(given_sizes, 100)
    filled = np.bincount(rows, weights=given_sizes) if sizes else np.zeros(0)
    assert (filled <= 100).all()
    assert (filled > 0).all()
    assert filled.sum() == sum(sizes)
    if len(filled) > 1:
        assert np.sort(filled)[:2].sum() > 100


def test_the_same_sizes_make_the_same_rows_on_every_machine() -> None:
    sizes = np.array([5, 3, 8, 1, 9, 2, 6, 4, 7, 5])
    assert packed(sizes, 10).tolist() == [4, 2, 1, 0, 0, 1, 3, 3, 2, 4]
    with pytest.raises(ValueError, match="11 tokens"):
        packed(np.array([11]), 10)


turns = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=6)


@settings(deadline=None)
@given(st.lists(turns, min_size=1, max_size=20))
def test_pieces_are_whole_or_cut_and_always_learnt(sizes: list[list[tuple[int, int]]]) -> None:
    chats = [chat(number, turns) for number, turns in enumerate(sizes)]
    loss = np.concatenate([one.loss for one in chats if one.loss is not None])
    many = np.array([len(one.tokens) for one in chats])
    ends = np.cumsum(many)
    found = pieces(ends, loss, LENGTH)
    held = np.zeros(len(loss), np.int64)
    for start, size, document in zip(found.starts, found.sizes, found.documents, strict=True):
        assert 0 < size <= LENGTH
        assert loss[start + 1 : start + size].any()
        held[start : start + size] += 1
        assert ends[document] - many[document] <= start
        assert start + size <= ends[document]
        if many[document] <= LENGTH:
            assert size == many[document]
    assert held.max(initial=0) <= 1
    # Nobody says the first token of a piece: only pieces of such a one are lost.
    assert (loss & (held == 0)).sum() <= len(loss) // LENGTH + len(chats)
    assert found.dropped == (held == 0).sum()
    assert found.split == (many > LENGTH).sum()


def test_what_is_too_long_is_cut_where_a_turn_ends(tmp_path: Path) -> None:
    tokens = chats_of(tmp_path, [[(5, 7), (6, 8), (9, 4), (40, 5)]])
    found = pieces(tokens.ends, tokens.loss, LENGTH)
    # 12 and 26 are ends of turns; from 26 on the next ends at 39; then only length cuts.
    assert found.starts.tolist() == [0, 26, 71]
    assert found.sizes.tolist() == [26, 13, 13]
    assert (found.split, found.dropped) == (1, 32)


def test_each_conversation_stands_alone_in_its_row(sources: Mapping[str, Tokens]) -> None:
    chats = sources["data/chats"]
    samples = samples_of(chats, LENGTH)
    rows = len(samples)
    plan = Schedule([Phase(rows, {"data/chats": 1})])
    batch = Mixer(sources, plan, length=LENGTH, batch=rows).at(0)
    assert batch.positions is not None
    assert batch.loss is not None
    seen = []
    for tokens, positions, loss in zip(batch.tokens, batch.positions, batch.loss, strict=True):
        starts = np.flatnonzero(positions == 0)
        for start, end in zip(starts, [*starts[1:], LENGTH], strict=True):
            assert positions[start:end].tolist() == list(range(end - start))
            number = int(tokens[start]) - 1
            assert (tokens[start:end] == number + 1).all()
            if number < 0:
                assert not loss[start:end].any()
                continue
            ids, wanted = chats.document(number)
            assert len(ids) == end - start
            assert wanted is not None
            assert loss[start:end].tolist() == wanted.tolist()
            seen.append(number)
    assert sorted(seen) == list(range(60))
    assert samples.wasted == pytest.approx((batch.tokens == 0).mean())
    assert samples.wasted < 0.05


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_packed_rows_mix_with_plain_windows(sources: Mapping[str, Tokens], world: int) -> None:
    plan = Schedule([Phase(400, {"data/chats": 0.6, "data/text": 0.4})])
    whole = Mixer(sources, plan, length=LENGTH, batch=10)
    for step in (0, 39):
        batch = whole.at(step)
        parts = [
            Mixer(sources, plan, length=LENGTH, batch=10).at(step, rank=rank, world=world)
            for rank in range(world)
        ]
        for name in ("tokens", "loss", "positions", "source", "window"):
            joined = np.concatenate([getattr(part, name) for part in parts])
            assert joined.tolist() == getattr(batch, name).tolist()
        plain = batch.source == 1
        assert batch.positions is not None
        assert batch.loss is not None
        assert (batch.positions[plain] == np.arange(LENGTH)).all()
        assert batch.loss[plain].all()


def test_plain_windows_alone_have_no_positions(sources: Mapping[str, Tokens]) -> None:
    batch = Mixer(sources, Schedule([Phase(8, {"data/text": 1})]), length=LENGTH, batch=8).at(0)
    assert batch.positions is None
    assert batch.loss is None


def test_what_was_seen_of_packed_rows_is_known(sources: Mapping[str, Tokens]) -> None:
    plan = Schedule([Phase(400, {"data/chats": 0.6, "data/text": 0.4})])
    mixer = Mixer(sources, plan, length=LENGTH, batch=5)
    wanted: dict[str, set[int]] = {name: set() for name in sources}
    for step in range(3):
        for name, documents in mixer.documents(mixer.at(step)):
            wanted[name].update(documents)
    found = {name: set(seen.documents.tolist()) for name, seen in mixer.seen(15).items()}
    assert found == wanted
    assert mixer.seen(400)["data/chats"].documents.tolist() == list(range(60))


def test_where_a_conversation_was_cut_nothing_is_learnt_across(tmp_path: Path) -> None:
    tokens = {"c": chats_of(tmp_path, [[(2, 70)]])}
    mixer = Mixer(tokens, Schedule([Phase(3, {"c": 1})]), length=LENGTH, batch=3)
    batch = mixer.at(0)
    assert batch.loss is not None
    assert batch.positions is not None
    assert not batch.loss[batch.positions == 0].any()
    assert mixer.samples[0].split == 1
