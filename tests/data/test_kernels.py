"""Compiled loops count what plain Python counts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="needs the extra [data]")

import numpy as np
import pyarrow as pa

from inhouse.data.buffers import buffers
from inhouse.data.kernels.characters import decoded
from inhouse.data.kernels.quality import KEPT, RULES, judged
from inhouse.data.kernels.repetition import longer, repeated_lines, repeated_share, top_share
from inhouse.data.kernels.shingles import factors, folded, shingles, signatures, similarity
from inhouse.data.kernels.words import rules, split
from inhouse.data.presets import LIMITS, limits

# The first example waits for the compiler.
unhurried = settings(deadline=None, max_examples=60)

any_text = st.text(st.characters(codec="utf-8"), max_size=60)
few_words = st.lists(st.sampled_from(["a", "b", "cc"]), min_size=1, max_size=40)


def characters(of: str) -> tuple[np.ndarray, int]:
    data = np.frombuffer(of.encode() or b" ", np.uint8)
    codes = np.empty(len(data) + 1, np.int32)
    return codes, decoded(data, 0, len(of.encode()), codes)


def words(of: str) -> list[str]:
    codes, size = characters(of)
    room = (np.empty(size + 1, kind) for kind in (np.uint64, np.int32, np.uint8, np.int32))
    written = tuple(room)
    count = split(codes, size, rules(), written)
    found, at = [], 0
    for length in written[1][:count].tolist():
        while of[at].isspace():
            at += 1
        found.append(of[at : at + length])
        at += length
    return found


@unhurried
@given(any_text)
def test_characters_are_those_of_python(of: str):
    codes, size = characters(of)
    assert codes[:size].tolist() == list(map(ord, of))


@unhurried
@given(any_text)
def test_words_lose_nothing_but_spaces(of: str):
    assert "".join(words(of)) == "".join(of.split())


@pytest.mark.parametrize(
    ("of", "parts"),
    [
        ("Hello, world!", "Hello|,|world|!"),
        ("I don't, it's", "I|do|n't|,|it|'s"),
        ("e.g. 10km (U.S.)...", "e.g.|10|km|(|U.S.|)|..."),
        ("see https://a.org/x-y?q=1.", "see|https://a.org/x-y?q=1|."),
        ("well-known a/b 3-4 $5.00", "well|-|known|a|/|b|3|-|4|$|5.00"),
        ("end.Begin and,so ann@b.org", "end|.|Begin|and|,|so|ann@b.org"),
        ("100% 20°C «so»—or", "100|%|20|°|C|«|so»—or"),
        ("**bold** `code` [x](y)", "*|*|bold|*|*|`|code|`|[|x](y|)"),
    ],
)
def test_words_are_parted_as_spacy_does(of: str, parts: str):
    assert words(of) == parts.split("|")


def duplicates(found: list[str]) -> tuple[int, int, int]:
    seen: set[str] = set()
    again = [line for line in found if line in seen or seen.add(line)]
    return len(found), len(again), sum(map(len, again))


@unhurried
@given(st.text("ab \n", max_size=60), st.sampled_from([1, 2]))
def test_repeated_lines_are_those_that_stood_before(of: str, least: int):
    codes, size = characters(of)
    keys = np.empty(1024, np.uint64)
    found = repeated_lines(codes, 0, size, least, True, keys)
    assert found == duplicates(re.split(f"\n{{{least},}}", of))


@unhurried
@given(few_words, st.integers(2, 5))
def test_shares_of_n_grams(many: list[str], n: int):
    grams = [tuple(many[i : i + n]) for i in range(len(many) - n + 1)]
    numbers = np.array([hash(word) & (2**64 - 1) for word in many], np.uint64)
    ends = np.cumsum([0, *map(len, many)])
    made = numbers.copy()
    for size in range(2, n + 1):
        longer(made, numbers, len(many), size)
    keys, times = np.empty(1024, np.uint64), np.empty(1024, np.int32)
    if grams:
        best = max(grams, key=grams.count)
        expected = grams.count(best) * (len("".join(best)) + n - 1)
        assert top_share(made, ends, len(many), n, keys, times) == expected
    seen: set[tuple[str, ...]] = set()
    characters_again = i = 0
    while i < len(grams):
        if grams[i] in seen:
            characters_again += len("".join(grams[i]))
            i += n
        else:
            seen.add(grams[i])
            i += 1
    assert repeated_share(made, ends, len(many), n, keys) == characters_again


def runs(texts: list[str], n: int) -> list[np.ndarray]:
    data, offsets = buffers(pa.array(texts, pa.string()))
    found, places = shingles(data, offsets, n, folded(), np.empty(0, np.uint32))
    return [found[places[i] : places[i + 1]] for i in range(len(texts))]


def grams(of: str, n: int) -> set[tuple[str, ...]]:
    many = re.findall("[a-z0]+", re.sub("[0-9]+", "0", of.lower()))
    return {tuple(many[i : i + n]) for i in range(max(1, len(many) - n + 1))} if many else set()


plain_text = st.text(st.sampled_from("abAB 1.\n"), max_size=40)


@unhurried
@given(plain_text, plain_text, st.integers(1, 4))
def test_similarity_is_jaccard_over_runs_of_words(left: str, right: str, n: int):
    one, other = grams(left, n), grams(right, n)
    ours = runs([left, right], n)
    assert [len(found) for found in ours] == [len(one), len(other)]
    expected = len(one & other) / len(one | other) if one | other else 0.0
    assert similarity(*ours) == pytest.approx(expected)


def test_case_accents_and_numbers_make_no_difference():
    left, right, other = runs(["Élan of 1999, so!", "elan of 2024 SO", "elan of x so"], 2)
    assert left.tolist() == right.tolist() != other.tolist()


def test_where_numbers_count_only_other_numbers_make_a_difference():
    data, offsets = buffers(pa.array(["in 1999", "In 1999.", "in 2024", "in 199"], pa.string()))
    found, _ = shingles(data, offsets, 2, folded(True), np.empty(0, np.uint64))
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 3


def test_likely_copies_share_a_band():
    base = " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400))
    near = base.replace("wordka", "other")
    far = " ".join(f"thing{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400))
    data, offsets = buffers(pa.array([base, near, far], pa.string()))
    found, places = shingles(data, offsets, 5, folded(), np.empty(0, np.uint32))
    bands = signatures(found, places, factors(128, 1), 16)
    assert (bands[:, 0] == bands[:, 1]).any()
    assert not (bands[:, 0] == bands[:, 2]).any()


def verdict(of: str, **asked: float) -> tuple[str, float]:
    wanted = np.array([asked.get(rule, np.nan) for rule in RULES])
    data, offsets = buffers(pa.array([of], pa.string()))
    broken, values, *_ = judged(data, offsets, wanted, np.zeros(4, bool))
    return ("" if broken[0] == KEPT else RULES[broken[0]]), float(values[0])


def test_presets_name_the_rules_of_the_kernel():
    assert [rule for rule in RULES if rule not in ("lorem_ipsum", "curly_bracket")] == list(LIMITS)


@pytest.mark.parametrize(
    ("of", "rule", "limit", "value"),
    [
        ("One two three.", "fewest_words", 5, 3),
        ("One two three.", "most_words", 2, 3),
        ("ab abcd", "longest_mean_word", 2, 3),
        ("# a\n## b", "most_hashes", 0.1, 3 / 5),
        ("- a\n• b\nc", "most_bullet_lines", 0.5, 2 / 3),
        ("a...\nb…\nc", "most_ellipsis_lines", 0.5, 2 / 3),
        ("12 34 ab", "fewest_words_with_letters", 0.5, 1 / 3),
        ("the cat of", "fewest_stop_words", 3, 2),
        ("a\n\nb\n\na", "most_repeated_paragraphs", 0.2, 1 / 3),
        ("Done.\nnot", "fewest_ended_lines", 0.6, 0.5),
        ("a\nb" * 20, "most_short_lines", 0.6, 1),
        ("x" * 40 + "\n" + "x" * 40, "most_repeated_characters", 0.1, 0.5),
        ("a\nb\nc d", "most_line_breaks", 0.3, 0.5),
        ("abc\nabcdef", "longest_line", 5, 6),
        ("++ab", "fewest_letters_and_digits", 0.6, 0.5),
    ],
)
def test_each_rule_says_what_it_counted(of: str, rule: str, limit: float, value: float):
    assert verdict(of, **{rule: limit}) == (rule, pytest.approx(value))


@unhurried
@given(st.lists(any_text, min_size=1, max_size=5), st.sampled_from(["documents", "web", "code"]))
def test_a_text_is_judged_the_same_alone_and_among_others(texts: list[str], preset):
    wanted = np.array([np.nan if (v := limits(preset).get(r)) is None else v for r in RULES])
    together = judged(*buffers(pa.array(texts, pa.string())), wanted, np.zeros(4, bool))[0]
    alone = [
        judged(*buffers(pa.array([t], pa.string())), wanted, np.zeros(4, bool))[0][0] for t in texts
    ]
    assert together.tolist() == alone


def test_line_rules_take_out_what_is_no_prose():
    page = (
        "# Head\n  We go home now.[12] It rains. [edit]\nLearn of cookies: a cookie policy is here."
        "\nuse\nThey said so, and then they went away. Good! Fine? Yes.\n" + "x" * 1001 + " y z\n"
    )
    data, offsets = buffers(pa.array([page, "lorem ipsum and more words"], pa.string()))
    wanted = np.array([5.0 if rule == "fewest_sentences" else np.nan for rule in RULES])
    switches = np.array([True, False, False, False])
    broken, _, out, places = judged(data, offsets, wanted, switches)
    now = bytes(out[places[0] : places[1]]).decode()
    assert now == (
        "We go home now. It rains. \nThey said so, and then they went away. Good! Fine? Yes."
    )
    assert [KEPT if rule == KEPT else RULES[rule] for rule in broken] == [KEPT, "lorem_ipsum"]
