"""Phone numbers: which runs of digits are one, by form, by country and by the words around.

National numbers are checked against the numbering plans of `phonenumbers`. A run that might as
well be a date, a postal code, part of an address or a number of an order is a phone number only
where the nearest telling word says so.
"""

from __future__ import annotations

import re
from functools import cache

from inhouse.guard.finding import Finding

# Countries whose national numbers are looked for.
REGIONS = re.findall(
    r"\w+",
    "US GB IE DE AT CH FR BE NL LU ES PT IT DK SE NO FI IS EE LV LT PL CZ SK HU SI HR RO BG GR CY "
    "MT IL TR ZA AU NZ IN JP SG HK BR MX AR",
)

CANDIDATE = r"(?:\+|\(\+?)?[0-9](?:[)]?(?:[ \u00a0./-]|[ ]?[(]0?[)]?|[)][ -]?)?[0-9]){5,16}"
EXTENSION = re.compile(r"[ ]?(?:x|ext\.?|extension)[ ]?[0-9]{1,6}\b", re.IGNORECASE)

_SEPARATORS = re.compile(r"[^0-9]+")
_AMERICAN = re.compile(r"(?:1[ .-])?(?:\([2-9]\d\d\)[ -]?|[2-9]\d\d[.-])\d{3}[.-]\d{4}")
_TRUNK = re.compile(r"\(?0[1-9][0-9)]*[ ./-].*")
_DATE = re.compile(
    r"(?:(?:19|20)\d\d([-./ ])[01]?\d\1[0-3]?\d|[0-3]?\d([-./ ])[0-3]?\d\2(?:(?:19|20)\d\d|\d\d))"
    r"(?:[ ]\d{1,2})?"
)
_POSTAL = re.compile(r"\d{5}-\d{3,4}|\d{2,3}[- ]\d{2,3}|\d{4} \d{3}")
_LOCAL = re.compile(r"\d{3,4}[ .-]\d{4}|\d{2,3}(?:[ .-]\d{2,3}){2,3}")
_YEARS = re.compile(r"(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d")

_FOR = (
    r"phones?|tele(?:phone)?|tel|mobile|cell(?:phone|ular)?|fax|call(?:s|ed|ing|er)?|dial(?:led)?|"
    r"text(?:s|ed|ing)?|sms|messages?|whatsapp|signal|reach(?:ed|able)?|ring|rang|voicemail|hotline|"
    r"answer(?:ing|s)?|landline|contact|office|desk|helpdesk|registered|telefon\w*|t[ée]l[ée]phone|"
    r"tel[ée]fono|telefone|puhelin|mobil\w*|rufnummer|handynummer"
)
_AGAINST = (
    r"order|invoice|ticket|case|ref|reference|tracking|serial|account|acct|policy|id|isbn|part|sku|"
    r"zip|postcode|postal|apt|apartment|suite|unit|box|street|st|avenue|ave|road|rd|licen[cs]e|vat|"
    r"date|born|dob|birth|since|version|build|commit|port|page|pages|room|flight|claim|customer|tax|"
    r"total|amount|price|usd|eur|gbp|lot|batch|model|passport|ssn|iban|card|transaction|booking|rfc"
)
_WORD = re.compile(rf"(?<![^\W_])(?:(?P<for>{_FOR})|(?P<against>{_AGAINST}))(?![^\W_])", re.I)
_STOP = re.compile(r"[,;.\n]")
_BEFORE, _AFTER = 45, 16


def phone(text: str, start: int, end: int) -> Finding | None:
    """Return the phone number that a run of digits is, or is after or before another number.

    Where the run has more groups of digits than a number, those at its ends are left away.
    """
    for first, last in _narrowed(text, start, end):
        score = _score(text, first, last)
        if score:
            extension = EXTENSION.match(text, last)
            return Finding(first, extension.end() if extension else last, "phone", score)
    return None


def _narrowed(text: str, start: int, end: int) -> list[tuple[int, int]]:
    inner = []
    for gap in re.finditer(r" ", text[start:end]):
        inner += [(start + gap.end(), end), (start, start + gap.start())]
    # Two zeros in the middle of a long number call no country.
    return [(start, end), *(run for run in inner[:6] if not text.startswith("00", run[0]))]


def _score(text: str, start: int, end: int) -> float:
    written = text[start:end]
    digits = _SEPARATORS.sub("", written)
    if not 7 <= len(digits) <= 15 or written.count("(") != written.count(")"):
        return 0.0
    if written.startswith("+") or written.startswith("(+"):
        return _international(written)
    if written.startswith("00") and len(digits) >= 11:
        return _international("+" + written[2:].lstrip(" -"))
    return _national(text, start, end, digits)


def _national(text: str, start: int, end: int, digits: str) -> float:
    written = text[start:end]
    if _DATE.fullmatch(written) or _YEARS.fullmatch(written):
        return 0.0
    said = _said(text, start, end)
    if _AMERICAN.fullmatch(written):
        return 0.0 if said < 0 else 0.8 + 0.15 * said
    if said < 0 or (said == 0 and _POSTAL.fullmatch(written)):
        return 0.0
    planned = _plans().fullmatch(digits) is not None
    if said:
        return 0.85 if planned else 0.6 if _LOCAL.fullmatch(written) else 0.0
    if planned and _TRUNK.fullmatch(written) and len(digits) >= 9:
        return 0.7
    return 0.0


def _international(written: str) -> float:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(written)
    except phonenumbers.NumberParseException:
        return 0.0
    if phonenumbers.is_valid_number(parsed):
        return 0.95
    return 0.85 if phonenumbers.is_possible_number(parsed) else 0.0


def _said(text: str, start: int, end: int) -> int:
    """Return 1 if the nearest telling word speaks for a phone number, -1 against, 0 if none is.

    The same line tells first: what stands before the number in it, then what stands after it
    up to the next comma.
    """
    before = text[max(0, start - _BEFORE) : start]
    line = before.rpartition("\n")[2]
    after = _STOP.split(text[end : end + _AFTER], maxsplit=1)[0]
    word = _last(line) or _WORD.search(after) or _last(before)
    if word is None:
        return 0
    return 1 if word["for"] else -1


def _last(text: str) -> re.Match[str] | None:
    words = [*_WORD.finditer(text)]
    return words[-1] if words else None


@cache
def _plans() -> re.Pattern[str]:
    """Return one pattern of the national numbers of all regions, with or without their prefix."""
    from phonenumbers import PhoneMetadata

    plans = set()
    for region in REGIONS:
        plan = PhoneMetadata.metadata_for_region(region)
        if plan and plan.general_desc:
            prefix = plan.national_prefix or ""
            plans.add(f"(?:{prefix})?(?:{plan.general_desc.national_number_pattern})")
    return re.compile("|".join(sorted(plans)))
