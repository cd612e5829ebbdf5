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
EXACT = re.compile(
    rf"\d+(?:[.,:]\d+)*|[{UNSPACED}]+|\b(?:{'|'.join([*COUNTED, *DATED.split()])})\b"
)
MAY = re.compile(r"(?<=[^.!?] )May\b(?! I\b)")
THOUSANDS = re.compile(r"(?<=\d)[.,](?=\d{3}(?!\d))")
NEGATION = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|nowhere|neither|nor|cannot|without"
    r"|nicht|kein\w*|nie|niemals|niemand\w*|nichts|nirgend\w*|ohne|weder"
    r"|ne|pas|jamais|aucune?|rien|sans"
    r"|nunca|jamás|nadie|nada|ning[uú]n\w*|sin|tampoco|ni"
    r"|non(?!-)|nessun\w*|niente|senza"
    r"|niet|geen|nooit|niets|zonder)\b|n't\b|\bn'(?=\w)"
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
    """Return the numbers of a text in figures, its days and months.

    What is written in a script without spaces between words is exact in whole runs.
    """
    plain = MARKS.sub(" ", text)
    found = (_figures(item) for item in EXACT.findall(plain.lower()))
    return frozenset([*found, *MAY.findall(plain)])


def denies(text: str) -> bool:
    """Say whether there is a word in a text that denies."""
    return bool(NEGATION.search(_low(text)))


def abstains(text: str) -> bool:
    """Say whether a sentence tells, in English, that nothing is said about what was asked."""
    return bool(NO_ANSWER.search(_low(text)))


def _figures(item: str) -> str:
    if not item[0].isdecimal():
        return COUNTED.get(item, item)
    return THOUSANDS.sub("", item).replace(",", ".").lstrip("0") or "0"


def _low(text: str) -> str:
    return text.lower().replace("’", "'")
