"""What has a form: found where it stands, and not where something else looks like it."""

import pytest

from inhouse.guard import checks
from inhouse.guard.patterns import Patterns


def found(text):
    return [(text[f.start : f.end], f.type) for f in Patterns().find(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to ana@example.com.", "email", "ana@example.com"),
        ("mailto:x.y+z@sub.example.org", "email", "x.y+z@sub.example.org"),
        ("see (https://example.org/wiki/A_(b)).", "url", "https://example.org/wiki/A_(b)"),
        ("visit example.com/path?q=1. now", "url", "example.com/path?q=1"),
        ("from 10.0.0.1:8080", "ip", "10.0.0.1"),
        ("at 2001:db8::8a2e:370:7334 now", "ip", "2001:db8::8a2e:370:7334"),
        ("4111 1111 1111 1111", "card", "4111 1111 1111 1111"),
        ("card 4111-1111-1111-1111 123 12/27", "card", "4111-1111-1111-1111"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "iban", "DE89 3704 0044 0532 0130 00"),
        ("ref AB12 gb82west12345698765432", "iban", "gb82west12345698765432"),
        ("078-05-1120", "ssn", "078-05-1120"),
        ("SSN: 078051120", "ssn", "078051120"),
        ("call me at 555 0199 today", "phone", "555 0199"),
        ("Tel. 030 1234567", "phone", "030 1234567"),
        ("Telefon: 0301234567", "phone", "0301234567"),
        ("or 212-555-0147, passport 1234", "phone", "212-555-0147"),
        ("+44 20 7946 0958", "phone", "+44 20 7946 0958"),
        ("(602)272-9781 x12", "phone", "(602)272-9781 x12"),
        ("fax 0171 2345678, order 12345678", "phone", "0171 2345678"),
        ("Apt. 3\n416 60 039 office", "phone", "416 60 039"),
    ],
)
def test_what_has_a_form_is_found(text, kind, value):
    assert found(text) == [(value, kind)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("rene\u0301@example.com", "email"),  # an accent by itself, as macOS writes names of files
        ("an\u00ada@exam\u200bple.com", "email"),
        ("ana\uff20example.com", "email"),
        ("4111\u00a01111\u20091111\u202f1111", "card"),
        ("DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "iban"),
        ("078\u201105\u20111120", "ssn"),
        ("078\u201205\u20121120", "ssn"),
        ("212\u2013555\u20130147", "phone"),
        ("ana@exam\u2066ple.com", "email"),
        ("an\u3164a@example.com", "email"),
        ("\uff0b44 20 7946 0958", "phone"),
        ("\uff12\uff11\uff12-\uff15\uff15\uff15-\uff10\uff11\uff14\uff17", "phone"),
    ],
)
def test_signs_of_word_processors_and_pages_hide_nothing(text, kind):
    assert found(f"Caf\u00e9\u00a0\u2013 it is {text}, and\u00a0more.") == [(text, kind)]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("ana@example.com\u200bbo@example.com", ["email", "email"]),
        ("4111 1111 1111 1111\u200bExp 12/27", ["card"]),
        ("ID\u200b078-05-1120\u200bborn", ["ssn"]),
        ("x\ufeff10.0.0.1\u200bhost", ["ip"]),
        ("Tel\u200e+1 212-555-0147", ["phone"]),
        ("id\u2011078-05-1120", ["ssn"]),
        ("\u7535\u8bdd\uff0d212-555-0147", ["phone"]),
    ],
)
def test_what_parts_words_unseen_still_parts_them(text, kinds):
    assert [finding.type for finding in Patterns().find(text)] == kinds


@pytest.mark.parametrize(
    "text",
    [
        "due 2024-03-15, 15.03.2024 or 15/03/24 at 12:20:39",
        "San Jose, CA 95134-1706",
        "Order 555-123-4567 has been shipped",
        "order number 20240315123",
        "12345 Main Street, Suite 215, 03262 2437",
        "1,234,567.89 EUR and 1 000 000 000",
        "std::vector<int> a::b dead::beef 12:20:39",
        "ISBN 978-3-16-148410-0",
        "lines 1000-2000, 1999-2005",
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "000-12-3456 and 666-12-3456 and 912-12-3456",
        "DE89 3704 0044 0532 0130 01",
        "setup.py README.md e.g. i.e. v1.2.3.4 version 10.4.3.2",
        "uuid 123e4567-e89b-12d3-a456-426614174000, sha 9ab0123456789",
        "52.520008, 13.404954",
        "tracking 1Z999AA10123456784",
    ],
)
def test_what_only_looks_like_it_is_not(text):
    assert found(text) == []


def test_a_checked_form_wins_over_a_loose_one_and_the_longer_over_the_shorter():
    assert found("https://u:p@example.com/?mail=a@example.org") == [
        ("https://u:p@example.com/?mail=a@example.org", "url")
    ]


def test_only_the_types_asked_for_are_found():
    text = "ana@example.com, 078-05-1120"
    assert [f.type for f in Patterns({"ssn"}).find(text)] == ["ssn"]


def test_sums_and_ranges():
    assert checks.luhn("4111111111111111")
    assert not checks.luhn("4111111111111112")
    assert checks.card_brand("378282246310005")
    assert not checks.card_brand("9999999999999995")
    assert checks.iban("GB82WEST12345698765432")
    assert not checks.iban("GB82WEST1234569876543")
    assert not checks.ip("999.1.1.1")


@pytest.mark.parametrize("char", ["1", "a", "@", ".", " ", "1 ", "a@", "a.", "(1", "ab12 "])
def test_long_texts_of_one_kind_take_no_longer_than_others(char):
    Patterns().find(char * 20_000)
