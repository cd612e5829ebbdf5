"""Personal data that has a form: e-mail, URL, IP, card, IBAN, SSN and phone.

One short expression tells whether a text can hold any of it; the expressions of the forms name
candidates then, and only those are checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from inhouse.guard import checks
from inhouse.guard.finding import CHECKED, TYPES, Finding, resolve
from inhouse.guard.folding import as_seen, views
from inhouse.guard.phone import CANDIDATE, phone

FORMS = (*CHECKED, "phone")
BEHIND = 64
"""So many characters before a number may tell what it is."""

AHEAD = 32
"""So many behind it may."""

Form = Callable[[str], Iterator[Finding]]

_MAY_HOLD = re.compile(r"[0-9@]|://|[^\W_]\.[^\W\d_]{2}", re.ASCII)
_HOST = r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?P<top>[^\W\d_]{2,24})"
_EMAIL = re.compile(rf"(?<![\w.+%'&@-])[\w.+%'&-]{{1,64}}@{_HOST}(?![\w@])")
_URL = re.compile(r"(?<![^\W_])(?:https?|ftp)://[^\s<>\"'`{}|\\^]{3,2000}", re.IGNORECASE)
_DOMAIN = re.compile(rf"(?<![\w@./:-]){_HOST}(?![\w@(-])(?:[/?#][^\s<>\"'`{{}}|\\^]{{0,1500}})?")
_IP = re.compile(
    r"(?<![\w.:])(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.[0-9])"
    r"|(?:[0-9a-f]{1,4}:|::)[0-9a-f:]{2,36}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3})?(?![\w:]))",
    re.IGNORECASE,
)
_VERSION = re.compile(r"(?:\bversion|\bv\.?|\brelease) ?\Z", re.IGNORECASE)
_CARD = re.compile(r"(?<![\w.+-])(?=([0-9]{4}(?:[ -]?[0-9]){8,21}))")
_IBAN = re.compile(r"(?<!\w)(?=([a-z]{2}[0-9]{2}(?:[ -]?[0-9a-z]){11,30}))", re.IGNORECASE)
_SSN = re.compile(r"(?<![\w.-])([0-9]{3})([ -]?)([0-9]{2})\2([0-9]{4})(?!\w|[-.][0-9])")
_SSN_WORDS = re.compile(r"\b(?:ssn|social[ -]security|soc\.? sec)", re.IGNORECASE)
_CARD_WORDS = re.compile(r"\b(?:card|visa|master ?card|amex|credit|debit|pan)\b", re.IGNORECASE)
_PHONE = re.compile(rf"(?<![\w./-])(?<![0-9],){CANDIDATE}(?![0-9%€$£]|[-.,/][0-9])")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Finds personal data by its form; `types` are those of `FORMS` that are looked for."""

    types: Collection[str] = FORMS

    def find_many(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return what is found in each text, in the order of the text and without overlaps."""
        return [self.find(text) for text in texts]

    def find(self, text: str) -> list[Finding]:
        """Return what is found in one text, in the order of the text and without overlaps."""
        return resolve(text, as_seen([text], lambda texts: [self._in(one) for one in texts])[0])

    def candidates(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where numbers stand of which more text could make something else."""
        for seen in views(text):
            for form in (_IP, _CARD, _IBAN, _SSN, _PHONE):
                for match in form.finditer(seen.text):
                    group = match.lastindex or 0 if form in (_CARD, _IBAN) else 0
                    yield seen.place(match.start()), seen.place(match.end(group))

    def _in(self, text: str) -> list[Finding]:
        if not _MAY_HOLD.search(text):
            return []
        return [
            finding
            for needed, form in _FORMS
            if needed.search(text)
            for finding in form(text)
            if finding.type in self.types
        ]


def _before(text: str, start: int) -> str:
    return text[max(0, start - BEHIND) : start]


def _emails(text: str) -> Iterator[Finding]:
    for match in _EMAIL.finditer(text):
        yield Finding(match.start(), match.end(), "email", 0.99)


def _urls(text: str) -> Iterator[Finding]:
    for match in _URL.finditer(text):
        yield Finding(match.start(), _url_end(match), "url", 0.95)


def _domains(text: str) -> Iterator[Finding]:
    for match in _DOMAIN.finditer(text):
        if match["top"].lower() in checks.TOP_LEVEL and "_" not in match[0].partition("/")[0]:
            yield Finding(match.start(), _url_end(match), "url", 0.7)


def _url_end(match: re.Match[str]) -> int:
    found = match[0].rstrip(".,;:!?*_")
    while found.endswith((")", "]")) and found.count("(") < found.count(")") + found.count("]"):
        found = found[:-1].rstrip(".,;:!?*_")
    return match.start() + len(found)


def _ips(text: str) -> Iterator[Finding]:
    for match in _IP.finditer(text):
        if checks.ip(match[0]) and not _VERSION.search(_before(text, match.start())):
            yield Finding(match.start(), match.end(), "ip", 0.9)


def _cards(text: str) -> Iterator[Finding]:
    for match in _CARD.finditer(text):
        start, said = match.start(), bool(_CARD_WORDS.search(_before(text, match.start())))
        for end in _ends(match[1]):
            digits = re.sub(r"[ -]", "", match[1][:end])
            whole = not re.match(r"\w|[-.][0-9]", text[start + end : start + end + 2])
            if whole and _is_card(digits, said=said):
                yield Finding(start, start + end, "card", 0.99 if said else 0.85)
                break


def _ends(written: str) -> list[int]:
    """Return where a number may end that goes on to another one: at its gaps, the last first."""
    return [len(written), *(gap.start() for gap in reversed([*re.finditer("[ -]", written)]))]


def _is_card(digits: str, *, said: bool) -> bool:
    if not 12 <= len(digits) <= 19 or len(set(digits)) == 1 or not checks.luhn(digits):
        return False
    return said or checks.card_brand(digits)


def _ibans(text: str) -> Iterator[Finding]:
    for match in _IBAN.finditer(text):
        end = match.start() + _iban_end(match[1])
        if end > match.start() and not text[end : end + 1].isalnum():
            yield Finding(match.start(), end, "iban", 0.99)


def _iban_end(written: str) -> int:
    """Return where the IBAN ends that these characters begin with; 0 if there is none."""
    wanted, compact = int(checks.IBAN_LENGTHS.get(written[:2].upper(), "0")), ""
    for place, char in enumerate(written):
        if len(compact) == wanted:
            break
        compact += char.upper() if char.isalnum() else ""
        end = place + 1
    return end if wanted and checks.iban(compact) else 0


def _ssns(text: str) -> Iterator[Finding]:
    for match in _SSN.finditer(text):
        area, gap, group, serial = match.groups()
        if not checks.ssn(area, group, serial):
            continue
        said = bool(_SSN_WORDS.search(_before(text, match.start())))
        if said or gap == "-":
            yield Finding(match.start(), match.end(), "ssn", 0.99 if said else 0.8)


def _phones(text: str) -> Iterator[Finding]:
    for match in _PHONE.finditer(text):
        found = phone(text, match.start(), match.end())
        if found:
            yield found


_FORMS: tuple[tuple[re.Pattern[str], Form], ...] = (
    (re.compile("@"), _emails),
    (re.compile("://"), _urls),
    (re.compile(r"[^\W_]\.[^\W\d_]{2}"), _domains),
    (re.compile(r"[0-9]\.[0-9]|[0-9a-f]:[0-9a-f:]", re.IGNORECASE), _ips),
    (re.compile(r"[a-z]{2}[0-9]{2}[ -]?[0-9a-z]{4}", re.IGNORECASE), _ibans),
    (re.compile(r"[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4}"), _ssns),
    (re.compile(r"[0-9](?:[ -]?[0-9]){11}"), _cards),
    (re.compile(r"[0-9](?:[ \u00a0()./-]{0,3}[0-9]){6}"), _phones),
)
"""What a text needs so that it is worth looking for the form, and the form."""

assert set(FORMS) <= set(TYPES)
