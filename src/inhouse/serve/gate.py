"""Lets through what of an answer stands in the sections, with the section's number behind it.

A small model's answer reads well and is often made up. So each sentence is compared with the
sections by the words they share; one that no section bears out is left out, and a model that says
the sections hold no answer is heard. It judges words, numbers and negations, not meaning: a
sentence may use a section's words and still get it wrong. What is let through or quoted rests on a
span of a passage, so that it can be shown word for word. What to say where nothing is let through
is decided in `inhouse.serve.answer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from inhouse.core.nouns import Hit

Span = tuple[int, int]
"""Where something begins and ends in a passage."""

ENOUGH = 0.65
"""Share of a sentence's words that must stand in one section."""

CLOSE = 0.7
"""How well a section must fit the question, next to the best, to bear out an answer."""

ADDED = 0.25
"""Share of a sentence's words that must not stand in a quotation before it."""

FEWEST_WORDS = 3
PATIENCE = 2
QUOTED_WORDS = 60
STEM = 5

WORD = re.compile(r"\w+")
END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
MARKS = re.compile(r"[`*_#>|]+|\[\d+\]")
EXACT = re.compile(
    r"\d+|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:january|february|march|april|june"
    r"|july|august|september|october|november|december)\b"
)
NEGATION = re.compile(r"\b(?:no|not|never|none|nobody|cannot|without)\b|n't\b")
NO_ANSWER = re.compile(
    r"\b(?:do(?:es)? not|don't|doesn't|did not|cannot|can't|no|nothing)\b.{0,40}"
    r"\b(?:say|mention|specify|state|contain|provide|include|information|answer|found|find|about)\b"
)
BLOCK = re.compile(r"^(```|~~~).*?(^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
IDLE = frozenset(
    WORD.findall(
        "a an and are as at be by can do does for from has have how i in is it its may of on or "
        "that the their there these they this to was what when where which who why will with you "
        "your document documents section sections question answer answers"
    )
)


class Gate:
    """Takes an answer piece by piece and gives back the sentences that the sections bear out.

    `enough` is the share of a sentence's words that must stand in one section. `spans` says of
    each section that something rests on, by number from 1, where in its passage.
    """

    def __init__(self, question: str, hits: Sequence[Hit], *, enough: float = ENOUGH) -> None:
        self._hits = hits
        self._enough = enough
        self._question = words(question)
        self._fits = [_fits(self._question, hit) for hit in hits]
        self._texts = [
            f"{' '.join(hit.section.headings)} {hit.passage}"
            if fit >= CLOSE * max(self._fits)
            else ""
            for hit, fit in zip(hits, self._fits, strict=True)
        ]
        self._words = [words(text) for text in self._texts]
        self.spans: dict[int, Span] = {}
        self.abstained = False
        self._said: list[frozenset[str]] = []
        self._quoted: frozenset[str] = frozenset()
        self._rest = ""
        self._misses = 0

    @property
    def closed(self) -> bool:
        """Say whether the model has lost its way, so that nothing more is worth waiting for."""
        return self._misses >= PATIENCE

    def push(self, text: str) -> Iterator[str]:
        """Take the next piece; yield the sentences that are now whole and stand in a section."""
        *whole, self._rest = END.split(self._rest + text)
        for sentence in whole:
            if not self.closed:
                yield from self._judge(sentence)

    def finish(self) -> Iterator[str]:
        """Yield the last sentence, if it is whole and stands in a section."""
        if not self.closed and END.search(f"{self._rest} "):
            yield from self._judge(self._rest)

    def quote(self) -> str:
        """Return a part of the nearest section, word for word.

        What is let through afterwards adds to it.
        """
        number = self._fits.index(max(self._fits)) + 1
        passage = self._hits[number - 1].passage
        start, end = quotation(self._question, passage)
        self._rest_on(number, (start, end))
        self._quoted = words(passage[start:end])
        return f"{passage[start:end]} [{number}]"

    def _judge(self, sentence: str) -> Iterator[str]:
        said = words(sentence)
        if not said:
            return
        shares = [len(said & section) / len(said) for section in self._words]
        best = max(range(len(shares)), key=shares.__getitem__)
        # What only says the question or a heading again is no answer.
        known = self._question | words(" ".join(self._hits[best].section.headings))
        tells = len(said) >= FEWEST_WORDS and not said <= known
        adds = len(said - self._quoted) >= ADDED * len(said)
        new = adds and not any(said <= before for before in self._said)
        borne_out = shares[best] >= self._enough and not contradicts(sentence, self._texts[best])
        if new and tells and borne_out:
            self._misses = 0
            gap = " " if self._said else ""
            self._said.append(said)
            self._rest_on(best + 1, basis(said, self._hits[best].passage))
            yield f"{gap}{sentence.strip()} [{best + 1}]"
        else:
            self._misses += 1
            self.abstained |= bool(NO_ANSWER.search(sentence.lower()))

    def _rest_on(self, number: int, span: Span) -> None:
        start, end = self.spans.get(number, span)
        self.spans[number] = min(start, span[0]), max(end, span[1])


class Trust(Gate):
    """Lets everything through; all sections may have been used."""

    def __init__(self, question: str, hits: Sequence[Hit]) -> None:
        super().__init__(question, hits)
        self.spans = spans(question, hits)

    def push(self, text: str) -> Iterator[str]:
        """Yield the piece as it is."""
        yield text


def spans(question: str, hits: Sequence[Hit]) -> dict[int, Span]:
    """Return for each section, by number from 1, the part that is nearest to a question."""
    asked = words(question)
    return {number: quotation(asked, hit.passage) for number, hit in enumerate(hits, 1)}


def best(question: str, hits: Sequence[Hit]) -> Hit:
    """Return the section that fits a question best."""
    asked = words(question)
    return max(hits, key=lambda hit: _fits(asked, hit))


def words(text: str) -> frozenset[str]:
    """Return the words that carry a text's meaning, cut to their first five letters."""
    plain = MARKS.sub(" ", text.lower())
    return frozenset(w[:STEM] for w in WORD.findall(plain) if w not in IDLE)


def contradicts(sentence: str, text: str) -> bool:
    """Say whether a sentence has a number or a day that a text lacks, or denies what it says.

    Denial is looked for in the sentence of the text that shares most words with it.
    """
    low, said = sentence.lower().replace("’", "'"), words(sentence)
    parts = [text[start:end].lower().replace("’", "'") for start, end in _parts(text)]
    nearest = max(parts, key=lambda part: len(said & words(part)), default="")
    invented = set(EXACT.findall(low)).difference(*map(EXACT.findall, parts))
    return bool(invented) or bool(NEGATION.search(low)) != bool(NEGATION.search(nearest))


def quotation(question: frozenset[str], passage: str) -> Span:
    """Return where the part of a passage stands that shares most with a question.

    It begins with a sentence or a whole block of code and ends with a paragraph, if that is not
    long, but never with a colon.
    """
    parts = list(_parts(passage)) or [(0, len(passage))]
    # An example uses the words of a question more often than it answers it.
    shared = [
        len(question & words(passage[a:b])) / (2 if passage[a : a + 1] in "`~" else 1)
        for a, b in parts
    ]
    first = shared.index(max(shared))
    start, end = parts[first]
    for _, next_end in parts[first + 1 :]:
        gap = passage[end:next_end].lstrip(" ")
        so_far = len(passage[start:end].split())
        open_ended = passage[start:end].rstrip("*_` ").endswith(":")
        ended = gap.startswith("\n\n") and so_far > 12 and not open_ended
        if ended or so_far + len(gap.split()) > QUOTED_WORDS * (1 + open_ended):
            break
        end = next_end
    return _stripped(passage, start, end)


def basis(said: frozenset[str], passage: str) -> Span:
    """Return where the parts of a passage stand that hold the words of a sentence.

    The parts that hold most of them are taken until enough are held, with all between them.
    """
    wanted = said & words(passage)
    missing, chosen = wanted, []
    parts = [(span, words(passage[slice(*span)])) for span in _parts(passage)]
    for span, held in sorted(parts, key=lambda part: -len(wanted & part[1])):
        if len(missing) > (1 - ENOUGH) * len(wanted) and held & missing:
            chosen.append(span)
            missing -= held
    chosen = chosen or [(0, len(passage))]
    return _stripped(passage, min(a for a, _ in chosen), max(b for _, b in chosen))


def _stripped(passage: str, start: int, end: int) -> Span:
    part = passage[start:end]
    start += len(part) - len(part.lstrip())
    return start, start + len(part.strip())


def _parts(passage: str, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Yield where the sentences and the blocks of code of a passage begin and end."""
    end = len(passage) if end is None else end
    for block in BLOCK.finditer(passage, start, end):
        yield from _sentences(passage, start, block.start())
        yield block.span()
        start = block.end()
    yield from _sentences(passage, start, end)


def _sentences(passage: str, start: int, end: int) -> Iterator[Span]:
    for gap in END.finditer(passage, start, end):
        if words(passage[start : gap.start()]):
            yield start, gap.start()
        start = gap.end()
    if words(passage[start:end]):
        yield start, end


def _fits(question: frozenset[str], hit: Hit) -> float:
    """Return how well a section fits: its score, and whether its heading asks the same."""
    heading = words(hit.section.headings[-1] if hit.section.headings else "")
    union = question | heading
    return hit.score + (0.3 * len(question & heading) / len(union) if union else 0.0)
