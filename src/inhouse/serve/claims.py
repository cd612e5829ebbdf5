"""What of a sentence must be exact: numbers, days, months, quotations, and whether it denies.

The words are those of English, German, French, Spanish, Italian and Dutch as far as the tables
go; a sentence in another language is judged without them.
"""

from __future__ import annotations

import re

from inhouse.serve.wording import MARKS, UNSPACED

# Words for 2 to 20, the tens, 100 and 1000, in English, German, French and Spanish. Left out are
# words that are others as well: those for 1, "six" of French, "once" and "cien" of Spanish.
COUNTED = {
    word: number
    for number, said in {
        "2": "two zwei deux dos",
        "3": "three drei trois tres",
        "4": "four vier quatre cuatro",
        "5": "five fünf cinq cinco",
        "6": "six sechs seis",
        "7": "seven sieben sept siete",
        "8": "eight acht huit ocho",
        "9": "nine neun neuf nueve",
        "10": "ten zehn dix diez",
        "11": "eleven elf onze",
        "12": "twelve zwölf douze doce",
        "13": "thirteen dreizehn treize trece",
        "14": "fourteen vierzehn quatorze catorce",
        "15": "fifteen fünfzehn quinze quince",
        "16": "sixteen sechzehn seize dieciséis",
        "17": "seventeen siebzehn diecisiete",
        "18": "eighteen achtzehn dieciocho",
        "19": "nineteen neunzehn diecinueve",
        "20": "twenty zwanzig vingt veinte",
        "30": "thirty dreißig trente treinta",
        "40": "forty vierzig quarante cuarenta",
        "50": "fifty fünfzig cinquante cincuenta",
        "60": "sixty sechzig soixante sesenta",
        "70": "seventy siebzig setenta",
        "80": "eighty achtzig ochenta",
        "90": "ninety neunzig noventa",
        "100": "hundred hundert",
        "1000": "thousand tausend mille",
    }.items()
    for word in said.split()
}
# "May" is looked for with its capital, inside a sentence: it is a verb as well.
DATED = (
    "monday tuesday wednesday thursday friday saturday sunday january february march april june "
    "july august september october november december "
    "montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz mai juni juli "
    "oktober dezember "
    "lundi mardi mercredi jeudi vendredi samedi dimanche janvier février mars avril juin juillet "
    "août septembre octobre novembre décembre "
    "lunes martes miércoles jueves viernes sábado domingo enero febrero marzo abril mayo junio "
    "julio agosto septiembre octubre noviembre diciembre"
)
NUMBER = r"(?:(?<![\w.,)])-)?\d+(?:[.,:]\d+)*"
EXACT = re.compile(rf"{NUMBER}|[{UNSPACED}]+|\b(?:{'|'.join([*COUNTED, *DATED.split()])})\b")
# What is counted, in English, German, French, Spanish: a number is only true with its unit.
UNITS = {
    word: unit
    for unit, said in {
        "second": "second seconds sekunde sekunden seconde secondes segundo segundos",
        "minute": "minute minutes minuten minuto minutos",
        "hour": "hour hours stunde stunden heure heures hora horas",
        "day": "day days tag tage tagen jour jours día días",
        "week": "week weeks woche wochen semaine semaines semana semanas",
        "month": "month months monat monate monaten mois mes meses",
        "year": "year years jahr jahre jahren an ans année années año años",
        "percent": "% percent prozent",
        "million": "million millions millionen millones",
        "billion": "billion billions milliarde milliarden milliard milliards",
    }.items()
    for word in said.split()
}
_UNIT = "|".join(sorted((word for word in UNITS if word != "%"), key=len, reverse=True))
_COUNTS = rf"{NUMBER}|\b(?:one|{'|'.join(COUNTED)})\b"
AMOUNT = re.compile(rf"({_COUNTS})(?:[ -](?!(?:{_UNIT})\b)[^\W\d]+)?[ -]?(%|\b(?:{_UNIT})\b)")
EACH = re.compile(
    r"\b(?:an?|per|each|every|pro|im|par) "
    r"(day|week|month|year|hour|tag|woche|monat|jahr|jour|mois|an)\b"
    r"|\b(dai|week|month|year)ly\b|\b(annual)"
)
ONE_OF = {"dai": "day", "annual": "year"}
# Of each pair, one word must not stand for the other.
OPPOSITES = tuple(
    (re.compile(rf"\b(?:{one})\b"), re.compile(rf"\b(?:{other})\b"))
    for one, other in (
        ("before|vor|avant|antes", "after|nach|après|después"),
        ("at least|minimum|mindestens|au moins", "at most|maximum|up to|höchstens|au plus"),
        ("more|mehr|plus", "less|fewer|weniger|moins"),
    )
)
MAY = re.compile(r"(?<=[^.!?] )May\b(?! I\b)")
THOUSANDS = re.compile(r"(?<=\d)[.,](?=\d{3}(?!\d))")
NEGATION = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|nowhere|neither|nor|cannot|without"
    r"|except|exclud\w+|unless|prohibit\w*|forbidden|banned|reject\w*|refus\w+|den(?:y|ies|ied)"
    r"|nicht|kein\w*|nie|niemals|niemand\w*|nichts|nirgend\w*|ohne|weder|außer|verboten"
    r"|ne|pas|jamais|aucune?|rien|sans|sauf|interdite?s?"
    r"|nunca|jamás|nadie|nada|ning[uú]n\w*|sin|tampoco|ni|salvo|excepto|prohibid[oa]s?"
    r"|non(?!-)|nessun\w*|niente|senza|tranne|vietat[oa]"
    r"|niet|geen|nooit|niets|zonder|behalve|verboden)\b|n't\b|\bn'(?=\w)"
)
NO_ANSWER = re.compile(
    r"\b(?:do(?:es)? not|don't|doesn't|did not|cannot|can't|no|nothing)\b.{0,40}"
    r"\b(?:say|mention|specify|state|contain|provide|include|information|answer|found|find|about)\b"
)
ASKS_EXACT = re.compile(
    r"\bhow (?:much|many|long|often|old|far|high)\b|\b(?:what|which) (?:time|year|date|day|month)\b"
    r"|^\W*when\b"
    r"|\bwie ?(?:viele?|lange|oft|hoch|alt)\b|^\W*wann\b"
    r"|\bcombien\b|^\W*quand\b|\bcuánt\w+|^\W*cuándo\b"
)
QUOTED = re.compile(r"(?<!\w)[\"“„«]([^\"“”„»]*)")


def asks_exact(question: str) -> bool:
    """Say whether a question asks for an amount or a date: in English, German, French, Spanish."""
    return bool(ASKS_EXACT.search(_low(question)))


def quoted(sentence: str) -> list[str]:
    """Return what stands behind each mark that opens a quotation, up to the one that ends it."""
    return QUOTED.findall(sentence)


def exact(text: str) -> frozenset[str]:
    """Return the numbers of a text in figures, alone and with what they count; days and months.

    What is written in a script without spaces between words is exact in whole runs.
    """
    plain = MARKS.sub(" ", text)
    low = plain.lower()
    found = (_figures(item) for item in EXACT.findall(low))
    amounts = (f"{_figures(number)} {UNITS[unit]}" for number, unit in AMOUNT.findall(low))
    return frozenset([*found, *amounts, *_rates(low), *MAY.findall(plain)])


def reverses(text: str, other: str) -> bool:
    """Say whether a text has one word of a pair of opposites, and another text only its other."""
    text, other = _low(text), _low(other)
    for pair in OPPOSITES:
        for one, opposite in (pair, pair[::-1]):
            if one.search(text) and not one.search(other) and opposite.search(other):
                return True
    return False


def denies(text: str) -> bool:
    """Say whether there is a word in a text that denies."""
    return bool(NEGATION.search(_low(text)))


def abstains(text: str) -> bool:
    """Say whether a sentence tells, in English, that nothing is said about what was asked."""
    return bool(NO_ANSWER.search(_low(text)))


def _rates(text: str) -> list[str]:
    found = ("".join(groups) for groups in EACH.findall(text))
    return [f"each {UNITS.get(ONE_OF.get(word, word), word)}" for word in found]


def _figures(item: str) -> str:
    if item == "one":
        return "1"
    if item[0] == "-":
        return f"-{_figures(item[1:])}"
    if not item[0].isdecimal():
        return COUNTED.get(item, item)
    return THOUSANDS.sub("", item).replace(",", ".").lstrip("0") or "0"


def _low(text: str) -> str:
    return text.lower().replace("’", "'")
