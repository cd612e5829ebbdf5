"""Checks that tell a real number from one that only looks so: sums, lengths and ranges.

Phone numbers have a module of their own.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

BRANDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-59]|[689]\d)\d{11}(?:\d{2})?"  # Diners Club
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}|(?:1800|2131)\d{11}"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5018|50[2-9]\d|5[6-9]\d\d|6(?:0[0-9]|3[0-9]|7[0-9])\d)\d{8,15}"  # Maestro
)
"""Numbers of the large card networks by their first digits and lengths (ISO/IEC 7812)."""

IBAN_LENGTHS = dict(
    re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
        "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 "
        "IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 "
        "MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 "
        "SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30",
    )
)
"""Characters of an IBAN by country (the registry of ISO 13616)."""

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """Say whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    values = [ord(digit) - 48 for digit in digits]
    return (sum(values[-1::-2]) + sum(_DOUBLED[v] for v in values[-2::-2])) % 10 == 0


def card_brand(digits: str) -> bool:
    """Say whether a network gives out card numbers that begin so and have this length."""
    return BRANDS.fullmatch(digits) is not None


def iban(compact: str) -> bool:
    """Say whether this is an IBAN: capitals and digits without spaces, remainder 1 by 97."""
    if IBAN_LENGTHS.get(compact[:2]) != str(len(compact)):
        return False
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def ssn(area: str, group: str, serial: str) -> bool:
    """Say whether the United States may have given out such a social security number."""
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def ip(text: str) -> bool:
    """Say whether this is an address of the internet protocol that names one machine."""
    try:
        if ":" not in text:
            return not IPv4Address(text).is_unspecified
        IPv6Address(text)
    except AddressValueError:
        return False
    # `a::b` and `dead::beef` are also names in programs: an address has digits and a few groups.
    groups = [group for group in text.split(":") if group]
    return len(groups) >= 3 and any(char.isdecimal() for char in text)


TOP_LEVEL = frozenset(
    re.findall(
        r"\w+",
        "com org net edu gov mil int info biz name pro io dev app ai cloud tech online site store "
        "ac ae ar at au be bg br ca ch cl cn co cy cz de dk ee es eu fi fr gl gr hk hr hu id ie il "
        "in ir is it jp ke kr kz lt lu lv ma mx my ng nl no nz pe pk pt ro ru sa se sg si sk th tn "
        "tr tv tw ua uk us uy ve vn za",
    )
)
"""Ends of domain names that need no ``http`` before them; those that are also of files are out."""
