"""The tagger: what comes with the program, what training makes, and what is refused."""

import json
import random
from hashlib import sha256
from itertools import pairwise, product

import numpy as np
import pytest

from inhouse.core.errors import BadInput, Corrupt
from inhouse.guard import chain, prose
from inhouse.guard.__main__ import main
from inhouse.guard.finding import TYPES
from inhouse.guard.guard import Guard, built_in, find
from inhouse.guard.marked import read_marked
from inhouse.guard.patterns import Patterns
from inhouse.guard.tagger import BUILT_IN, BUILT_IN_SHA256, LONGEST, Tagger
from inhouse.guard.training import Training, train
from inhouse.guard.writing import Marked, write
from inhouse.models import arrays


def values(text):
    return {(text[f.start : f.end], f.type) for f in find(text)}


@pytest.fixture(scope="module")
def small():
    return train(list(write(600, seed=5)), Training(passes=2))


def test_names_addresses_organisations_and_places_are_found():
    text = (
        "My name is Maria Lopez, I live at 12 Oak Street, Springfield and work for Acme Foods Ltd."
    )
    assert values(text) >= {("Maria Lopez", "person"), ("Acme Foods Ltd.", "organisation")}
    assert any("12 Oak Street" in value and kind == "address" for value, kind in values(text))


def test_ordinary_sentences_hold_no_names():
    text = "The meeting was moved to the second floor because the projector is broken."
    assert values(text) == set()


def test_forms_and_names_are_found_together_without_overlaps():
    text = "Hi, Maria Lopez here, write to maria@example.com or call 212-555-0147"
    findings = find(text)
    assert [f.type for f in findings] == ["person", "email", "phone"]
    assert all(a.end <= b.start for a, b in pairwise(findings))


def test_what_comes_with_the_program_is_small_and_pinned():
    raw = BUILT_IN.read_bytes()
    assert len(raw) <= 2**20
    assert sha256(raw).hexdigest() == BUILT_IN_SHA256
    assert set(Tagger.load(BUILT_IN).types) <= set(TYPES)


def test_many_texts_at_once_are_as_one_by_one(small):
    texts = [text.text for text in write(60, seed=6)] + ["", "\n", "x " * 3 * LONGEST]
    assert small.find_many(texts) == [small.find_many([text])[0] for text in texts]
    assert small.find_many([]) == []


def test_training_is_the_same_each_time_and_survives_a_file(small, tmp_path):
    again = train(list(write(600, seed=5)), Training(passes=2))
    assert (again.weights == small.weights).all()
    small.save(tmp_path / "t.safetensors", written="600")
    loaded = Tagger.load(tmp_path / "t.safetensors")
    texts = [text.text for text in write(40, seed=7)]
    same = [
        [f[:3] for f in a] == [f[:3] for f in b]
        for a, b in zip(small.find_many(texts), loaded.find_many(texts), strict=True)
    ]
    assert sum(same) >= 38


def test_own_marked_texts_teach_types_of_ones_own(tmp_path):
    chance = random.Random(0)
    rows = []
    for _ in range(300):
        number = f"KX{chance.randrange(10**6):06}"
        text = chance.choice(["The file {} is closed.", "see {}", "{} was sent to us"]).format(
            number
        )
        start = text.index(number)
        span = {"start": start, "end": start + len(number), "type": "file-number"}
        rows.append(json.dumps({"text": text, "spans": [span]}))
    (tmp_path / "own.jsonl").write_text("\n".join(rows))
    made = tmp_path / "own.safetensors"
    words = ["tagger", str(made), "--written", "0", "--passes", "3"]
    assert main([*words, "--marked", str(tmp_path / "own.jsonl")]) == 0
    guard = Guard((Patterns(), Tagger.load(made)))
    text = "Please look for KX123987 today"
    assert [(text[f.start : f.end], f.type) for f in guard.find(text)] == [
        ("KX123987", "file-number")
    ]


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"text": "a"}',
        '{"text": "a", "spans": [{"start": 0, "end": 5, "type": "x"}]}',
    ],
)
def test_a_line_that_is_not_marked_is_named(tmp_path, line):
    file = tmp_path / "m.jsonl"
    file.write_text('{"text": "a", "spans": []}\n' + line)
    with pytest.raises(BadInput, match=r"m\.jsonl:2"):
        read_marked(file)


def test_texts_in_which_nothing_is_marked_teach_nothing():
    with pytest.raises(BadInput, match="Nothing is marked"):
        train([Marked("a", ())])


def test_another_file_is_refused(tmp_path):
    file = tmp_path / "t.safetensors"
    file.write_bytes(b"not a tagger at all")
    with pytest.raises(BadInput):
        Tagger.load(file)
    with pytest.raises(Corrupt):
        Tagger.load(file, sha256="0" * 64)
    file.write_bytes(arrays.to_bytes(arrays.Tensors({"weights": np.zeros(3, np.int8)}, {})))
    with pytest.raises(BadInput, match="no tagger"):
        Tagger.load(file)


def test_the_chain_is_what_trying_all_ways_gives():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4, 3)).astype(np.float32)
    moves = rng.normal(size=(4, 3)).astype(np.float32)
    ways = list(product(range(3), repeat=4))

    def total(way):
        steps = [moves[-1, way[0]], *(moves[a, b] for a, b in pairwise(way))]
        return sum(scores[w, m] for w, m in enumerate(way)) + sum(steps)

    totals = np.array([total(way) for way in ways])
    likely = np.exp(totals - totals.max())
    likely /= likely.sum()
    assert tuple(chain.likeliest(scores, moves, [4])) == ways[int(totals.argmax())]
    for word, mark in product(range(4), range(3)):
        expected = sum(p for p, way in zip(likely, ways, strict=True) if way[word] == mark)
        assert chain.shares(scores, moves, [4])[word, mark] == pytest.approx(expected, abs=1e-5)


def test_the_slope_is_that_of_the_likelihood():
    rng = np.random.default_rng(1)
    scores, moves = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    marks, lengths = np.array([0, 2, 1, 1, 0]), [3, 2]

    def logged(scores, moves):
        sums, first = 0.0, 0
        for length in lengths:
            totals = []
            for way in product(range(3), repeat=length):
                steps = [
                    moves[-1, way[0]],
                    *(moves[a, b] for a, b in pairwise(way)),
                ]
                totals.append(sum(scores[first + w, m] for w, m in enumerate(way)) + sum(steps))
                if way == tuple(marks[first : first + length]):
                    true = totals[-1]
            sums += true - np.log(np.exp(totals).sum())
            first += length
        return sums

    of_scores, of_moves = chain.slope(
        scores.astype(np.float32), moves.astype(np.float32), lengths, marks
    )
    for place in np.ndindex(scores.shape):
        nudged = scores.copy()
        nudged[place] += 1e-5
        assert (logged(nudged, moves) - logged(scores, moves)) / 1e-5 == pytest.approx(
            of_scores[place], abs=1e-3
        )
    for place in np.ndindex(moves.shape):
        nudged = moves.copy()
        nudged[place] += 1e-5
        assert (logged(scores, nudged) - logged(scores, moves)) / 1e-5 == pytest.approx(
            of_moves[place], abs=1e-3
        )


def test_written_texts_are_marked_where_the_data_stand():
    texts = list(write(300, seed=1))
    assert texts == list(write(300, seed=1))
    assert {kind for text in texts for _, _, kind in text.spans} == {
        "person", "address", "organisation", "place",
    }  # fmt: skip
    for text in texts:
        for start, end, _ in text.spans:
            assert text.text[start:end].strip()


def test_prose_leaves_out_lines_that_may_hold_a_name():
    pages = ["We asked Zorblatt for help.\nWe asked for help.\nThe Review is done, a review.\n" * 3]
    taken = "\n".join(text.text for text in prose.plain(pages))
    assert "Zorblatt" not in taken
    assert "We asked for help." in taken


def test_a_type_that_is_not_known_is_refused():
    with pytest.raises(BadInput, match="emial"):
        built_in(frozenset({"emial"}))
