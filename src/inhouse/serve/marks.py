"""Takes out of what a model says the marks that it sets itself, such as [1], and "Answer:".

The marks that stand behind what is let through are set in `inhouse.serve.gate`.
"""

from __future__ import annotations

import re

from inhouse.serve.wording import NUMBERED

MARK = re.compile(NUMBERED)
CODE_OR_MARK = re.compile(rf"(`[^`]*`)|{NUMBERED}")
NUMBER = re.compile(r"\d+")
# No mark is longer than what is held back here.
BEGUN = re.compile(r" ?(?:[\[【][\d ^,;–-]{0,72}(?:†[^\]】`\n]{0,40})?)?\Z")
LEADING = re.compile(
    r"^(?:according to|as \w+ in|in|from|per|see|laut|gemäß|siehe|nach|selon|según)"
    r"(?:[ ,]+and)?(?: *,)? *,\s*",
    re.IGNORECASE,
)
EMPTY = re.compile(r" ?\((?:see)?[ ,;]*\)", re.IGNORECASE)
TRAILING = re.compile(r"(?: *[,;]| and)+(?=[.!?]?$)")
ECHO = re.compile(
    r"^(?:(?:\*\*)?(?:a|(?:the )?answer(?: is)?|(?:die )?antwort(?: ist)?|réponse|respuesta)"
    r"(?:\*\*)? ?:(?:\*\*)? *)+",
    re.IGNORECASE,
)
QUOTE = re.compile(r"[\"“”„«»]")
OPENING = re.compile(r"(?<!\w)[\"“„«](?=\w)")


class Marks:
    """Takes marks out of a text that comes in pieces, but for those of sections up to `known`.

    What stands in code stays.
    """

    def __init__(self, known: int) -> None:
        self._known = known
        self._held = ""
        self._in_code = False

    def push(self, text: str) -> str:
        """Return the text so far that no mark can change any more."""
        text = self._held + text
        begun = BEGUN.search(text)
        end = begun.start() if begun else len(text)
        self._held = text[end:]
        return self._settled(text[:end])

    def finish(self) -> str:
        """Return what was held back."""
        text, self._held = self._held, ""
        return self._settled(text)

    def _settled(self, text: str) -> str:
        pieces = text.split("`")
        for i, piece in enumerate(pieces):
            self._in_code ^= i > 0
            if not self._in_code:
                pieces[i] = MARK.sub(self._kept, piece)
        return "`".join(pieces)

    def _kept(self, mark: re.Match[str]) -> str:
        numbers = NUMBER.findall(mark[0].partition("†")[0])
        kept = [number for number in numbers if 1 <= int(number) <= self._known]
        if len(kept) == len(numbers):
            return mark[0]
        gap = " " if mark[0][0] == " " else ""
        return f"{gap}[{', '.join(kept)}]" if kept else ""


def unmarked(sentence: str) -> str:
    """Return a sentence without marks, "Answer:", and words that did nothing but lead to one."""
    sentence = ECHO.sub("", sentence.strip())
    text = CODE_OR_MARK.sub(lambda found: found[1] or "", sentence).strip()
    if text == sentence.strip():
        return text
    text = TRAILING.sub("", EMPTY.sub("", text))
    rest = LEADING.sub("", text)
    return rest if rest == text else rest[:1].upper() + rest[1:]


def balanced(sentence: str) -> str:
    """Return a sentence without a quotation mark that has no other."""
    marks = list(QUOTE.finditer(sentence))
    if len(marks) % 2 == 0:
        return sentence
    alone = marks[0] if not OPENING.match(sentence, marks[0].start()) else marks[-1]
    return (sentence[: alone.start()] + sentence[alone.end() :]).strip()
