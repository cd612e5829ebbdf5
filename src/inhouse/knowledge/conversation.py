"""Makes the last question of a conversation stand alone, by words of the questions before it.

No model is asked. Searching with the result is the business of `search`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from heapq import nlargest

from inhouse.core.nouns import Message
from inhouse.knowledge.words import postings

Rarity = Callable[[str], float]
"""How much a term tells, 0 where it stands in nothing that may be read."""

CARRIED, CARRIED_BESIDE = 6, 3
FEW = 3
MOST_TURNS = 20
TURN_LETTERS = 2000
MOST_TERMS = 200  # how rare a term is has to be looked up

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
OPENS = re.compile(r"\s*(?:and|but|so|or|then|(?:what|how) (?:about|of))\b", re.IGNORECASE)
POINTS = frozenset(
    WORD.findall(
        "it its they them their theirs he him his she her hers this that these those there one "
        "ones another other others such same else so both"
    )
)
IDLE = POINTS | frozenset(
    WORD.findall(
        "a able about also am an and any are as at be been but by can can't could did didn't do "
        "does doesn't don't ever for from get give had has have heard hello hi how i i'm if in "
        "into is isn't it's just know like make many may me might more much my need no not now "
        "of oh ok okay on or our out please really see should some sorry still tell than thank "
        "thanks that's the then think to too up us very want was we were what what's when where "
        "which who whom whose why will with would yeah yes you your"
    )
)

POLITE = frozenset(
    WORD.findall(
        "bye danke good great gracias hello hey hi merci nice ok okay perfect sorry thank thanks"
    )
)
BESIDE_POLITE = POLITE | frozenset(
    WORD.findall("a all for lot much so that that's the very was you")
)


def standalone(question: str, before: Sequence[Message], rarity: Rarity) -> str:
    """Return a question with what it leans on of the user's earlier ones, if it leans on them.

    A question leans on what was said if it points there (it, those), goes on (and, what about) or
    has hardly a word of its own: one, or three that make no sentence. Thanks and greetings do not.
    Then the six terms that tell most are put behind it, three if it goes on with words of its own,
    in the order in which they were said: those with the highest sum of `rarity` over the earlier
    questions. Only the 200 said most, or last, are looked at. What the assistant said is left out:
    it brought in more beside the point than to it.
    """
    asked = [m.content[:TURN_LETTERS] for m in before if m.role == "user"][-MOST_TURNS:]
    if not asked or not _leans(question):
        return question
    told: Counter[str] = Counter()
    spelled: dict[str, str] = {}
    last: dict[str, int] = {}
    for place, turn in enumerate(asked):
        for term, word in _terms(turn).items():
            told[term] += 1
            last[term] = place
            spelled.setdefault(term, word)
    for term in _terms(question):
        told.pop(term, None)
    often = set(nlargest(MOST_TERMS, told, key=lambda term: (told[term], last[term])))
    weights = {term: times * rarity(term) for term, times in told.items() if term in often}
    most = CARRIED_BESIDE if OPENS.match(question) and _said(question) - IDLE else CARRIED
    best = sorted((t for t in weights if weights[t] > 0), key=lambda t: -weights[t])[:most]
    carried = [word for term, word in spelled.items() if term in best]
    return " ".join([question, *carried])


def asks(question: str) -> bool:
    """Say whether a text asks for anything: thanks and greetings do not."""
    said = _said(question)
    return not (said & POLITE and said <= BESIDE_POLITE)


def _leans(question: str) -> bool:
    said = _said(question)
    if not asks(question):
        return False
    few = 1 if said & IDLE else FEW
    return bool(said & POINTS or OPENS.match(question) or len(said - IDLE) <= few)


def _said(question: str) -> frozenset[str]:
    return frozenset(word.lower() for word in WORD.findall(question))


def _terms(text: str) -> dict[str, str]:
    """Return the terms of a text that are not idle, each with a word that it stands for."""
    words = [word for word in WORD.findall(text) if word.lower() not in IDLE]
    found = postings((number, "", word) for number, word in enumerate(words))
    firsts = sorted((places[0][0], term) for term, places in found)
    return {term: words[number] for number, term in firsts}
