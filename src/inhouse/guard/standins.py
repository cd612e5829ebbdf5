"""Stand-ins: made-up data of the same type and shape, the same one for the same value each time.

What stands for a value follows from a keyed hash of it: whoever has not got the key can neither
tell the value from the stand-in nor try out values. Who holds the key for how long is up to the
caller. Two values may, seldom, get the same stand-in.
"""

from __future__ import annotations

import hmac
import random
import re
import secrets
from collections.abc import Callable, Sequence

from inhouse.guard import checks, lists

_WORD = re.compile(r"[^\W_]+")
_KEPT_IN_NAMES = frozenset(
    _WORD.findall("mr mrs ms miss dr prof sir jr sr ii iii de van von der da dos di la")
)
_FIRM_ENDS = frozenset(
    word.casefold() for end in (*lists.FIRM_ENDS, *lists.FIRM_FIELDS) for word in _WORD.findall(end)
) | {"the", "of", "and"}
_STREET_ENDS = frozenset(
    word.casefold() for end in lists.STREET_ENDS for word in _WORD.findall(end)
) | frozenset(
    _WORD.findall("apt suite unit flat room box po psc rue de la via calle ul the corner of and")
)
_COUNTRIES = frozenset(name.casefold() for name in lists.COUNTRIES)
_FAMILY = frozenset(name.casefold() for name in lists.FAMILY)
_SINGLE = {
    "GIVEN": [n for n in lists.GIVEN if n.isalpha()],
    "FAMILY": [n for n in lists.FAMILY if n.isalpha()],
    "FIRM": lists.FIRM_WORDS,
    "STREET": lists.STREET_WORDS,
}  # fmt: skip


class StandIns:
    """Makes stand-ins by one key, or by a key of its own that is nowhere else."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self._makers: dict[str, Callable[[str], str]] = {
            "email": self._email, "url": self._url, "ip": self._ip, "card": self._card,
            "iban": self._iban, "ssn": self._ssn, "phone": self._phone, "person": self._person,
            "organisation": self._organisation, "address": self._address, "place": self._place,
        }  # fmt: skip

    def __call__(self, kind: str, value: str) -> str:
        """Return the stand-in of a value: never the value itself."""
        made = self._makers.get(kind, self._letters)(value)
        return made if made.casefold() != value.casefold() else f"[{kind.upper()}]"

    def _chance(self, kind: str, value: str) -> random.Random:
        said = f"{kind}\0{' '.join(value.casefold().split())}".encode()
        return random.Random(hmac.digest(self._key, said, "sha256"))

    def _other(self, options: Sequence[str], kind: str, value: str) -> str:
        chance = self._chance(kind, value)
        picked = chance.choice(options)
        while picked.casefold() == value.casefold():
            picked = chance.choice(options)
        return picked

    def _digits(self, kind: str, value: str) -> str:
        chance = self._chance(kind, re.sub(r"\D", "", value))
        return re.sub(r"\d", lambda _: chance.choice("0123456789"), value)

    def _email(self, value: str) -> str:
        chance = self._chance("email", value)
        given, family = (chance.choice(_SINGLE[source]) for source in ("GIVEN", "FAMILY"))
        plain = f"{given}.{family}{chance.randrange(1000)}".lower().encode("ascii", "ignore")
        return f"{plain.decode()}@{chance.choice(('example.com', 'example.net', 'example.org'))}"

    def _url(self, value: str) -> str:
        scheme, gap, _ = value.rpartition("://")
        return f"{scheme}{gap}www.example.org/{self._chance('url', value).randrange(16**8):08x}"

    def _ip(self, value: str) -> str:
        chance = self._chance("ip", value)
        if ":" in value:
            return f"2001:db8::{chance.randrange(1, 16**4):x}:{chance.randrange(1, 16**4):x}"
        return f"{chance.choice(('192.0.2', '198.51.100', '203.0.113'))}.{chance.randrange(1, 255)}"

    def _card(self, value: str) -> str:
        """Return digits of the same network and grouping whose check digit is right."""
        chance = self._chance("card", re.sub(r"\D", "", value))
        places = [place for place, char in enumerate(value) if char.isdecimal()]
        made = list(value)
        for place in places[4:]:
            made[place] = chance.choice("0123456789")
        for digit in "0123456789":
            made[places[-1]] = digit
            if checks.luhn("".join(made[place] for place in places)):
                break
        return "".join(made)

    def _iban(self, value: str) -> str:
        """Return an account of the same country, spaced alike, whose check digits are right."""
        compact = re.sub(r"[\W_]", "", value).upper()
        chance = self._chance("iban", compact)
        body = "".join(_like(char, chance) for char in compact[4:])
        turned = "".join(str(int(char, 36)) for char in f"{body}{compact[:2]}00")
        made = iter(f"{compact[:2]}{98 - int(turned) % 97:02}{body}")
        return "".join(next(made) if char.isalnum() else char for char in value)

    def _ssn(self, value: str) -> str:
        """Return a number in the range of 900, in which none is ever given out."""
        return "9" + self._digits("ssn", value)[1:]

    def _phone(self, value: str) -> str:
        """Return other digits, behind the same beginning: a country's code or a leading zero."""
        head = re.match(r"\+\d{1,2}|\(?0+|\(?", value)
        size = head.end() if head else 0
        chance = self._chance("phone", re.sub(r"\D", "", value))
        return value[:size] + re.sub(r"\d", lambda _: chance.choice("123456789"), value[size:])

    def _person(self, value: str) -> str:
        return _WORD.sub(lambda match: self._name(match[0]), value)

    def _name(self, word: str) -> str:
        """Return another name; a family name for one, so that a part of a name stays the same."""
        if word.casefold() in _KEPT_IN_NAMES:
            return word
        if len(word) == 1:
            return _like(word, self._chance("initial", word))
        source = "FAMILY" if word.casefold() in _FAMILY else "GIVEN"
        return _cased(self._other(_SINGLE[source], "name", word), word)

    def _organisation(self, value: str) -> str:
        return _WORD.sub(lambda match: self._word("FIRM", match[0], _FIRM_ENDS), value)

    def _address(self, value: str) -> str:
        return _WORD.sub(lambda match: self._word("STREET", match[0], _STREET_ENDS), value)

    def _word(self, source: str, word: str, kept: frozenset[str]) -> str:
        if word.isdecimal():
            return self._digits("number", word)
        if word.casefold() in kept:
            return word
        if len(word) < 3 or not word.isalpha():
            return self._letters(word)
        return _cased(self._other(_SINGLE[source], source, word), word)

    def _place(self, value: str) -> str:
        options = lists.COUNTRIES if value.casefold() in _COUNTRIES else lists.CITIES
        return _cased(self._other(options, "place", value), value)

    def _letters(self, value: str) -> str:
        chance = self._chance("text", value)
        return "".join(_like(char, chance) for char in value)


def _like(char: str, chance: random.Random) -> str:
    if char.isdecimal():
        return chance.choice("0123456789")
    if not char.isalpha():
        return char
    made = chance.choice("abcdefghijklmnopqrstuvwxyz")
    return made.upper() if char.isupper() else made


def _cased(made: str, word: str) -> str:
    if word.isupper() and len(word) > 1:
        return made.upper()
    return made.lower() if word.islower() else made
