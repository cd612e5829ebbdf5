"""Lets through what of an answer stands in the sections, with the section's number behind it.

A small model's answer reads well and is often made up. So each sentence is judged; one that no
section bears out is left out, and a model that says the sections hold no answer is heard. How a
sentence is judged stands in `inhouse.serve.judge`; what to say where nothing is let through, in
`inhouse.serve.answer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inhouse.core.nouns import Hit
from inhouse.serve.claims import abstains
from inhouse.serve.judge import Judge
from inhouse.serve.marks import Marks, balanced, unmarked
from inhouse.serve.quote import ENOUGH, bounded, nearest, spans
from inhouse.serve.wording import LISTED, Span, ends, whole, words

ADDED = 0.25
"""Share of a sentence's words that must not stand in a quotation before it."""

PATIENCE = 2
LONGEST = 1000
"""Letters of a sentence; what goes on longer is not waited for."""


class Gate:
    """Takes an answer piece by piece and gives back the sentences that the sections bear out.

    The sections come best first; `enough` is the share of a sentence's words that must stand in
    one of them. `spans` says of each that something rests on, by number from 1, where in its
    passage.
    """

    def __init__(self, question: str, hits: Sequence[Hit], *, enough: float = ENOUGH) -> None:
        self._question = question
        self._hits = hits
        self._judge = Judge(question, hits, enough=enough)
        self.spans: dict[int, Span] = {}
        self.abstained = False
        self._said: list[frozenset[str]] = []
        self._quoted: frozenset[str] = frozenset()
        self._rest = ""
        self._new_line = False
        self._misses = 0

    @property
    def closed(self) -> bool:
        """Say whether the model has lost its way, so that nothing more is worth waiting for."""
        return self._misses >= PATIENCE

    def push(self, text: str) -> Iterator[str]:
        """Take the next piece; yield the sentences that are now whole and stand in a section."""
        self._rest += text
        start = 0
        for gap in ends(self._rest):
            sentence, start = self._rest[start : gap.start()], gap.end()
            if not self.closed:
                yield from self._let_through(unmarked(sentence))
            self._new_line |= "\n" in gap[0]
        self._rest = self._rest[start:]
        if len(self._rest) > LONGEST:
            self._misses = PATIENCE

    def finish(self) -> Iterator[str]:
        """Yield what is left, if it is whole and stands in a section."""
        sentence = whole(self._rest)
        if sentence and not self.closed:
            yield from self._let_through(unmarked(sentence))

    def quote(self) -> str:
        """Return a part of the best section, word for word.

        What is let through afterwards adds to it.
        """
        passage = self._hits[0].passage
        start, end = nearest(self._question, self._hits[0])
        self._rest_on(1, (start, end))
        self._quoted = words(passage[start:end])
        self._judge.owed = False
        return f"{passage[start:end]} [1]"

    def _let_through(self, written: str) -> Iterator[str]:
        sentence = LISTED.sub("", written)
        said = words(sentence)
        if not said:
            return
        adds = len(said - self._quoted) >= ADDED * len(said)
        new = adds and not any(said <= before for before in self._said)
        rest = self._judge.rests_on(sentence) if new else None
        if rest is None:
            self._misses += 1
            self.abstained |= abstains(sentence)
            return
        number, span = rest
        self._misses = 0
        gap = ("\n" if self._new_line else " ") if self._said else ""
        self._new_line = False
        self._said.append(said)
        self._rest_on(number, span)
        yield f"{gap}{balanced(written)} [{number}]"

    def _rest_on(self, number: int, span: Span) -> None:
        start, end = self.spans.get(number, span)
        self.spans[number] = bounded((min(start, span[0]), max(end, span[1])), (start, end))


class Trust(Gate):
    """Lets everything through but marks of sections that there are not; all may have been used."""

    def __init__(self, question: str, hits: Sequence[Hit]) -> None:
        super().__init__(question, hits)
        self._marks = Marks(len(hits))
        self.spans = spans(question, hits)

    def push(self, text: str) -> Iterator[str]:
        """Yield what has come so far, up to what may become a mark."""
        yield self._marks.push(text)

    def finish(self) -> Iterator[str]:
        """Yield what was held back."""
        yield self._marks.finish()
