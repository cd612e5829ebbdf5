"""Writes texts with marked personal data, to train a tagger on that has seen nobody's data.

The sentences are those of ``sentences.txt``; names, addresses and organisations are put together
from `lists`, and many names are new ones that only look like those of the lists (a Markov chain
over their letters). The same seed writes the same texts.
"""

from __future__ import annotations

import calendar
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

from inhouse.guard import lists

T = TypeVar("T")

_SLOT = re.compile(r"\{(\w+)\}")
_MARKED = {
    "PERSON": "person", "ADDRESS": "address", "ORGANISATION": "organisation", "PLACE": "place",
    "ZIP": "address",
}  # fmt: skip
_DEEPEST = 9
_WEEKDAYS = tuple(calendar.day_name)
_MONTHS = tuple(calendar.month_name)[1:]


class Marked(NamedTuple):
    """A text, and its personal data as (start, end, type)."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


def write(count: int, *, seed: int = 0) -> Iterator[Marked]:
    """Yield so many texts with their personal data marked."""
    writer = Writer(random.Random(seed))
    for _ in range(count):
        yield writer.text()


class Writer:
    """Writes texts, and the names and addresses that stand in them, by one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._plain: dict[str, Callable[[], str]] = {
            "title": lambda: self._one(lists.TITLES),
            "job": lambda: self._one(lists.JOBS),
            "nationality": lambda: self._one(lists.NATIONALITIES),
            "weekday": lambda: self._one(_WEEKDAYS),
            "month": lambda: self._one(_MONTHS),
            "age": lambda: str(chance.randint(1, 99)),
            "date": self._date,
            "time": lambda: f"{chance.randint(0, 23)}:{chance.randint(0, 59):02}",
            "number": lambda: str(chance.randint(2, 10 ** chance.randint(1, 6))),
            "amount": lambda: self._form("$#.##", "###.## EUR", "£##", "# ### kr", "USD #,###"),
            "phone": lambda: self._form(
                "###-###-####", "(###) ###-####", "+## ### ### ###", "0### ######", "0## ### ## ##"
            ),
            "card": lambda: self._form("################", "#### #### #### ####", "############"),
            "iban": lambda: self._form("GB##ABCD##############", "DE## #### #### #### #### ##"),
            "email": lambda: f"{self._one(lists.FAMILY).lower()}@example.com",
            "url": lambda: f"https://www.{self.organisation().split()[0].lower()}.com/",
        }
        self._marked: dict[str, Callable[[], str]] = {
            "PERSON": self.person,
            "ADDRESS": self.address,
            "ORGANISATION": self.organisation,
            "PLACE": self.place,
            "ZIP": self._zip,
        }

    def text(self) -> Marked:
        """Return a text; some are written in small or in capital letters throughout."""
        parts = list(self._expand("text", 0))
        if not parts[0][1] and self._luck(0.7):
            parts[0] = (parts[0][0][:1].upper() + parts[0][0][1:], "")
        text, spans = "", []
        for part, kind in parts:
            if kind:
                spans.append((len(text), len(text) + len(part), kind))
            text += part
        luck = self._chance.random()
        changed = text.lower() if luck < 0.1 else text.upper() if luck < 0.12 else text
        return Marked(changed if len(changed) == len(text) else text, tuple(spans))

    def _expand(self, section: str, depth: int) -> Iterator[tuple[str, str]]:
        line = self._one(_grammar()[section])
        if depth > _DEEPEST:
            line = _SLOT.sub("it", line)
        last = 0
        for slot in _SLOT.finditer(line):
            yield line[last : slot.start()], ""
            name, last = slot[1], slot.end()
            if name in self._marked:
                yield self._marked[name](), _MARKED[name]
            elif name in self._plain:
                yield self._plain[name](), ""
            else:
                yield from self._expand(name, depth + 1)
        yield line[last:], ""

    def given(self) -> str:
        """Return a first name, from the list or like one of it."""
        return self._named("GIVEN", 0.3)

    def family(self) -> str:
        """Return a last name, from the list or like one of it."""
        name = self._named("FAMILY", 0.4)
        if self._luck(0.06):
            name = f"{name}-{self._named('FAMILY', 0.4)}"
        return f"{self._one(_PARTICLES)} {name}" if self._luck(0.05) else name

    def person(self) -> str:
        """Return the name of a person in one of the ways in which names are written."""
        given, family = self.given(), self.family()
        ways = (
            (0.34, given),
            (0.72, f"{given} {family}"),
            (0.80, family),
            (0.88, f"{given} {chr(self._chance.randint(65, 90))}. {family}"),
            (0.91, f"{given} {chr(self._chance.randint(65, 90))} {family}"),
            (0.94, f"{given} {self.given()} {family}"),
            (0.95, f"{given[0]}. {family}"),
            (0.96, f"{family}, {given}"),
            (0.98, f"{given} {family} {self._one(_SUFFIXES)}"),
            (1.01, f"{self._one(lists.TITLES)} {given} {family}"),
        )  # fmt: skip
        luck = self._chance.random()
        return next(name for below, name in ways if luck < below)

    def place(self) -> str:
        """Return the name of a city, a village or a country."""
        luck = self._chance.random()
        if luck < 0.25:
            return self._one(lists.COUNTRIES)
        if luck < 0.5:
            return self._cased(self._one(lists.CITIES))
        if luck < 0.65:
            return self._cased(self._one(lists.FOREIGN_PLACES))
        if luck < 0.83:
            return self._cased(_chain_of("CITIES").word(self._chance))
        return self._cased(self._one(lists.PLACE_PARTS) + self._one(lists.PLACE_ENDS))

    def organisation(self) -> str:
        """Return the name of a company or another body."""
        word, field = self._one(lists.FIRM_WORDS), self._one(lists.FIRM_FIELDS)
        end, family = self._one(lists.FIRM_ENDS), self.family()
        coined = "".join(self._one(lists.FIRM_STEMS) for _ in range(self._chance.choice((2, 2, 3))))
        coined = coined.capitalize() if self._luck(0.8) else coined
        return self._one(
            (
                f"{word} {field}", f"{word} {field}", f"{word} {field} {end}", word,
                f"{word} {end}",
                f"{coined} {end}", coined, coined, f"{coined} {field}", f"{word}{field.lower()}",
                f"{family} {end}", f"{family} {field}", f"{family}-{self.family()}",
                f"{family} {end}", f"{family}, {self.family()} and {self.family()}",
                f"{family} and {self.family()}", f"{family} & {self.family()} {end}",
                f"{self.place()} {field}", f"{field} of {self.place()}", f"University of {coined}",
                f"{word} {self._one(lists.FIRM_WORDS)} {field}", f"The {word} {field}",
                self._form("??", "???", "????"),
            )
        )  # fmt: skip

    def address(self) -> str:
        """Return a postal address, or the part of one that says where a house stands."""
        luck = self._chance.random()
        if luck < 0.08:
            return self._form(
                "PSC ####, Box ####\nAPO AE #####", "PSC #### Box ####\nAPO AP #####",
                "Unit #### Box ####\nDPO AA #####", "P.O. Box ####", "PO Box ###, {}",
            ).replace("{}", self.place())  # fmt: skip
        if luck < 0.13:
            return f"the corner of {self._street()} and {self._street()}"
        parts = [self._housed()]
        if self._luck(0.35):
            rooms = ("Apt. ###", "Suite ###", "Apt ##", "Unit #", "Flat #", "#. Stock", "Room ###")
            parts.append(self._form(*rooms))
        if self._luck(0.7):
            parts += self._town()
        gap = self._one((", ", ", ", " ", "\n", "\n ", ",\n", "\n    "))
        return gap.join(parts)

    def _housed(self) -> str:
        street, number = self._street(), self._form("#", "##", "##", "###", "####", "#####", "##B")
        luck = self._chance.random()
        if luck < 0.45:
            return f"{number} {street}"
        if luck < 0.7:
            return f"{street} {number}" + ("." if self._luck(0.15) else "")
        if luck < 0.85:
            return f"{number} {street} {self._form('#', '##', '###')}"
        if luck < 0.93:
            return f"{number} {self._form('##', '###', '####')} {street}"
        return street

    def _street(self) -> str:
        luck = self._chance.random()
        named = self._one((self.family, self.given, self._word_of_street, self._coined))()
        if luck < 0.4:
            return f"{named} {self._one(lists.STREET_ENDS)}"
        if luck < 0.55:
            return self._one(lists.STREET_ROOTS) + self._one(lists.STREET_GLUED)
        if luck < 0.62:
            return self._coined() + self._one(lists.STREET_GLUED)
        if luck < 0.88:
            return self._one(lists.STREET_FORMS).replace("{}", named)
        if luck < 0.94:
            return f"{self._form('#th', '##th', '#rd', '#nd')} {self._one(lists.STREET_ENDS)}"
        return named

    def _word_of_street(self) -> str:
        return self._one(lists.STREET_WORDS)

    def _coined(self) -> str:
        return _chain_of(self._one(("CITIES", "FAMILY", "STREET_ROOTS"))).word(self._chance)

    def _town(self) -> list[str]:
        town, code = self.place(), self._zip()
        country = [self._one(lists.COUNTRIES)] if self._luck(0.4) else []
        state = self._one(lists.STATES)
        return self._one(
            (
                [f"{town}, {state} {code}", *country], [f"{town} {state} {code}"],
                [f"{code} {town}", *country], [town, *country], [town, f"{state} {code}"],
                [town, " ".join([*country, code])], [f"{town} {code}"], [town, *country, code],
                [town, state, code], [f"{town} {state}"],
            )
        )  # fmt: skip

    def _zip(self) -> str:
        forms = ("#####", "#####", "#####-####", "####", "#### ??", "?## #??", "??# #??", "## ###")
        return self._form(*forms)

    def _date(self) -> str:
        year, month, day = (self._chance.randint(*r) for r in ((1920, 2030), (1, 12), (1, 28)))
        named = _MONTHS[month - 1]
        return self._one(
            (
                str(year), str(year), f"{year}-{month:02}-{day:02}", f"{month}/{day}/{year}",
                f"{day}.{month}.{year}", f"{day} {named} {year}", f"{named} {day}, {year}",
                f"{named} {year}", f"the {year // 10 * 10}s", self._one(_WEEKDAYS),
                f"{year}-{month:02}-{day:02} 12:{day:02}:07",
            )
        )  # fmt: skip

    def _named(self, source: str, new: float) -> str:
        if self._luck(new):
            return _chain_of(source).word(self._chance)
        return self._one(_words(source))

    def _cased(self, name: str) -> str:
        return name.upper() if self._luck(0.12) else name

    def _form(self, *forms: str) -> str:
        digits, letters = "0123456789", "ABCDEFGHJKLMNPRSTUVWXYZ"
        pick = {"#": digits, "?": letters}
        return "".join(self._one(pick.get(char, char)) for char in self._one(forms))

    def _luck(self, share: float) -> bool:
        return self._chance.random() < share

    def _one(self, options: Sequence[T]) -> T:
        return options[int(self._chance.random() * len(options))]


_SUFFIXES = ("Jr.", "Sr.", "II", "III", "PhD", "MD", "DDS")
_PARTICLES = ("de", "van", "von", "van der", "da", "dos", "di", "Mc", "Al", "el", "Ben", "Le", "La")


class _Chain:
    """Makes words that look like those of a list: each letter follows from the three before."""

    def __init__(self, words: Sequence[str]) -> None:
        self._next: dict[str, list[str]] = defaultdict(list)
        for word in words:
            padded = f"^^^{word}$"
            for place in range(3, len(padded)):
                self._next[padded[place - 3 : place]].append(padded[place])

    def word(self, chance: random.Random) -> str:
        while True:
            made = "^^^"
            while not made.endswith("$") and len(made) < 24:
                made += chance.choice(self._next[made[-3:]])
            if made.endswith("$") and len(made) >= 7:
                return made[3:-1].strip()


def _words(source: str) -> list[str]:
    words: list[str] = vars(lists)[source]
    return words


@cache
def _chain_of(source: str) -> _Chain:
    return _Chain(_words(source))


@cache
def _grammar() -> dict[str, list[str]]:
    written = lists.sections("sentences.txt")
    return {name: [line.replace("\\n", "\n") for line in lines] for name, lines in written.items()}
