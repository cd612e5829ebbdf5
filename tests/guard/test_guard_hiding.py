"""Hiding: masks, bars and stand-ins, in one text, in many, and in what comes bit by bit."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.guard import checks
from inhouse.guard.finding import Finding, resolve
from inhouse.guard.guard import built_in
from inhouse.guard.hiding import Report, hide, hide_all, hide_in_text, mask, redact
from inhouse.guard.patterns import AHEAD, FORMS, Patterns
from inhouse.guard.standins import StandIns
from inhouse.guard.stream import Stream

TEXT = "Write to ana@example.com or call 212-555-0147."
FORM = built_in(frozenset(FORMS))
VALUES = {
    "email": "ana.lopez@example.com",
    "url": "https://shop.example.com/a?b=1",
    "ip": "10.1.2.3",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "phone": "+44 20 7946 0958",
}


def test_masks_and_bars():
    findings = FORM.find(TEXT)
    assert hide(TEXT, findings, mask) == "Write to [EMAIL] or call [PHONE]."
    assert hide(TEXT, findings, redact) == "Write to █████ or call █████."
    assert hide("nothing", [], mask) == "nothing"


@pytest.mark.parametrize("kind", VALUES)
def test_a_stand_in_has_the_type_and_the_shape_of_its_value(kind):
    value = VALUES[kind]
    made = StandIns(b"key")(kind, value)
    assert made != value
    assert [(f.start, f.end, f.type) for f in Patterns().find(made)] == [(0, len(made), kind)]
    if kind in ("card", "iban", "phone"):
        assert [c.isalnum() for c in made] == [c.isalnum() for c in value]


def test_a_social_security_number_gets_one_that_nobody_has():
    made = StandIns()("ssn", "078-05-1120")
    assert made.startswith("9")
    assert not checks.ssn(*made.split("-"))


def test_the_same_value_has_the_same_stand_in_and_another_key_another():
    one, other = StandIns(b"one"), StandIns(b"other")
    assert one("person", "Maria Lopez").lower() == one("person", "maria lopez")
    assert one("person", "Maria Lopez") != other("person", "Maria Lopez")
    assert one("card", "4111-1111-1111-1111").replace("-", "") == one(
        "card", "4111 1111 1111 1111"
    ).replace(" ", "")


def test_a_part_of_a_name_has_the_part_of_its_stand_in():
    names = StandIns(b"key")
    given_name, family = names("person", "Maria Lopez").split()
    assert names("person", "Dr. Lopez") == f"Dr. {family}"
    assert names("person", "Maria") == given_name
    assert names("person", "MARIA LOPEZ") == f"{given_name} {family}".upper()


@given(st.sampled_from(["person", "address", "organisation", "place", "file-number"]), st.text())
def test_whatever_is_found_gets_a_stand_in_that_is_not_itself(kind, value):
    made = StandIns(b"key")(kind, value)
    assert made.casefold() != value.casefold()


def test_many_texts_are_hidden_and_counted():
    report = Report()
    texts = pa.array([TEXT, None, "nothing here", "b@example.com"])
    hidden = hide_all(texts, FORM, mask, report)
    assert hidden.to_pylist() == [
        "Write to [EMAIL] or call [PHONE].", None, "nothing here", "[EMAIL]",
    ]  # fmt: skip
    assert hidden.type == texts.type
    assert (report.texts, report.touched, dict(report.types)) == (4, 2, {"email": 2, "phone": 1})


def test_json_stays_json():
    said = {"to": "C:\\+44 20 7946 0958", "fax": ["\n212-555-0147"], "phone": 2125550147, "n": 1}
    texts = pa.array([json.dumps(said), "[no JSON] ana@example.com", '{"all": "is well"}'])
    hidden = hide_all(texts, FORM, mask).to_pylist()
    assert json.loads(hidden[0]) == {
        "to": "C:\\[PHONE]", "fax": ["\n[PHONE]"], "phone": "[PHONE]", "n": 1,
    }  # fmt: skip
    assert hidden[1:] == ["[no JSON] [EMAIL]", '{"all": "is well"}']


def test_names_of_fields_are_hidden_and_stay_apart():
    said = json.dumps({"a@x.com": 1, "bo@x.com": {"c@x.com": "none"}, "[EMAIL] 2": 2, "d@x.com": 3})
    hidden = hide_all(pa.array([said]), FORM, mask).to_pylist()
    assert json.loads(hidden[0]) == {
        "[EMAIL]": 1, "[EMAIL] 2": {"[EMAIL]": "none"}, "[EMAIL] 2 2": 2, "[EMAIL] 3": 3,
    }  # fmt: skip
    many = json.dumps({f"a{n}@example.com": n for n in range(5_000)})
    assert len(json.loads(hide_in_text(many, FORM, mask)[0])) == 5_000
    assert hide_in_text('{"a": "ana@example.com", "a": "z"}', FORM, mask)[0] == (
        '{"a": "[EMAIL]", "a 2": "z"}'
    )


@pytest.mark.parametrize(
    "said",
    [
        '{"a": "ana@example.com", "n": 1e400}',
        '{"a": "ana@example.com", "n": 12345678901234567890.123}',
        "[" * 900 + '"ana@example.com"' + "]" * 900,
        "[" * 100_000 + '"ana@example.com"',
    ],
)
def test_json_that_would_not_be_the_same_again_is_text(said):
    hidden = said.replace("ana@example.com", "[EMAIL]")
    assert hide_in_text(said, FORM, mask)[0] == hidden
    assert hide_in_text(said.replace("@", "\\u0040"), FORM, mask)[0] == hidden


def test_escapes_in_what_is_no_json_are_read_where_they_are_some():
    for said, hidden in (
        (r"[\u0041\u0042] ana\u0040example.com", "[AB] [EMAIL]"),
        (
            r'{"a": 1e999, "b": "C:\\u0041x ana@example.com"}',
            r'{"a": 1e999, "b": "C:\\u0041x [EMAIL]"}',
        ),
    ):
        assert hide_in_text(said, FORM, mask)[0] == hidden
        assert hide_all(pa.array([said]), FORM, mask).to_pylist() == [hidden]


def test_what_json_can_say_by_escapes_alone_stays_so():
    said = r'{"half": "\ud83d", "to": "ana@example.com", "price": 1.10}'
    assert hide_in_text(said, FORM, mask)[0] == (
        r'{"half": "\ud83d", "to": "[EMAIL]", "price": 1.1}'
    )


def test_a_name_of_a_field_is_no_name_of_a_person():
    said = '{"mail": "x", "Jordan": "y", "people": ["Maria Lopez"]}'
    hidden = json.loads(hide_in_text(said, built_in(), mask)[0])
    assert hidden["people"] == ["[PERSON]"]
    assert list(hidden) == ["mail", "Jordan", "people"]


def test_many_findings_are_told_apart_in_no_more_than_their_own_time():
    text = " ".join(f"a{n}@example.com" for n in range(20_000))
    assert len(FORM.find(text)) == 20_000  # takes minutes if each is compared with each


def test_what_a_winner_leaves_of_a_loser_stays_found():
    text = "12 Oak Street ana@example.com Springfield"
    address = Finding(0, len(text), "address", 0.9)
    email = Finding(14, 29, "email", 0.99)
    assert [(text[f.start : f.end], f.type) for f in resolve(text, [address, email])] == [
        ("12 Oak Street", "address"), ("ana@example.com", "email"), ("Springfield", "address"),
    ]  # fmt: skip


BITS = st.sampled_from(
    [
        "ana@example.com", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "078-05-1120",
        "call ", "order ", "555 0199", "+44 20 7946 0958", "https://a.example.org/x?y=1", ". ",
        ", ", "\n", " ", "fax", "the word", "2024-03-15", "212-555-0123", "10.0.0.1",
        "2001:db8::1",
        "ana@exam\u200bple.com", "re\u0301ne\u0301@example.com", "4111\u00a01111\u202f1111 1111",
        "078\u201105\u20111120", "\uff12\uff11\uff12-555-0123", "ana\uff20example.com", "\u00ad",
        "\u0301", "\u200b\u200b", "\u200b" * 70, "e\u0301\u0302", "\u2060ana@example.com",
        "x", "www.example.com", "12", "0", "@", ".com", "-", "(", "ab12", "id", "ssn ", "card ",
        " x12", "order 12345678 ", " office", "030 1234567", "\t", "é",
    ]
)  # fmt: skip
PIECES = st.one_of(BITS, st.text(alphabet="0123456789 -.@abcdeADE:/\n+()", max_size=8))
TEXTS = st.lists(PIECES, max_size=25).map("".join)
# The work grows with the square of the length; most of these are longer than what decides.
SHORT = st.lists(PIECES, max_size=14).map("".join)


@given(TEXTS, st.lists(st.integers(1, 30), max_size=12))
def test_a_stream_gives_what_the_whole_text_gives(text, sizes):
    stream, out, rest = Stream(), "", text
    for size in sizes:
        out += stream.feed(rest[:size])
        rest = rest[size:]
    out += stream.feed(rest) + stream.end()
    assert out == hide(text, Patterns().find(text), mask)


@given(SHORT)
def test_a_stream_of_single_characters_gives_it_too(text):
    stream = Stream()
    assert "".join(map(stream.feed, text)) + stream.end() == hide(text, Patterns().find(text), mask)


def test_signs_that_nobody_sees_open_no_way_through_a_stream():
    for bits in (
        ["Write to \u200b", "\u200bana@exampl", "e.com now"],
        ["SSN \u2060", "\u2060078-05", "-1120 now"],
        ["fax\n10.0.0.1000000" + "\u200b" * 140 + "4111 1111 1111 11110000+44 20 7946 0958"],
    ):
        stream, whole = Stream(), "".join(bits)
        out = "".join(map(stream.feed, bits)) + stream.end()
        assert out == hide(whole, Patterns().find(whole), mask) != whole


@given(TEXTS)
def test_what_is_found_in_a_text_as_it_is_stays_found(text):
    for start, end, kind, _ in Patterns()._in(text):
        hidden = [f for f in Patterns().find(text) if f.start < end and start < f.end]
        assert hidden, (text[start:end], kind)


def test_a_stream_holds_back_only_what_is_open():
    stream = Stream()
    assert stream.feed("All is well. ") == "All is well. "
    assert stream.feed("Write to ana@exam") == "Write to "
    assert stream.feed("ple.com, ") == "[EMAIL], "
    assert stream.feed("it costs 12 ") == "it costs "
    assert stream.feed("euros and ") == "12 euros and "
    assert stream.found == ["email"]


def test_a_number_waits_only_for_the_words_that_decide_about_it():
    stream = Stream()
    assert stream.feed("212-555-0147 ") == ""
    assert stream.feed("x" * AHEAD + " ") == "[PHONE] " + "x" * AHEAD + " "
    assert stream.end() == ""


@pytest.mark.parametrize("bit", ["1 ", "ana@example.com, ", "12-", "a"])
def test_a_line_without_a_place_to_cut_is_not_looked_at_again_for_each_bit(bit, monkeypatch):
    looked = 0

    def counted(self, text):
        nonlocal looked
        looked += len(text)
        return find(self, text)

    find = Patterns.find
    monkeypatch.setattr(Patterns, "find", counted)
    stream, text = Stream(), bit * (6_000 // len(bit))
    out = "".join(map(stream.feed, text)) + stream.end()
    assert looked < 60 * len(text)
    assert out == hide(text, find(Patterns(), text), mask)


def test_a_long_stream_keeps_little():
    stream = Stream()
    for _ in range(2_000):
        stream.feed("word after word ")
    assert len(stream._text) < 10_000


@pytest.mark.parametrize("text", ["a" * 200_000, "a " * 100_000, "1 " * 20_000, "1-" * 20_000])
def test_a_large_chunk_passes_through(text):
    stream = Stream()
    assert stream.feed(text) + stream.end() == text
