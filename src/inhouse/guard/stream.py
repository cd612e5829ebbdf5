"""Hides personal data in a text that comes bit by bit, as it comes.

Only what may still become personal data is held back: a number or a word at the end, and a number
that the next few words decide about. All else goes out at once. What goes out in the end is what
hiding in the whole text gives, however it was cut. Names are found by whole sentences and are
therefore no business of a stream.
"""

from __future__ import annotations

import re

from inhouse.guard.finding import Finding
from inhouse.guard.folding import views
from inhouse.guard.hiding import StandIn, hide, mask
from inhouse.guard.patterns import AHEAD, BEHIND, Patterns

_LONGEST = 2_200
_OPEN = re.compile(
    r"(?:\S{1,2200}|(?<![^\W_])[a-z]{2}[0-9]{2}[0-9a-z -]{0,64}|[+(]?[0-9][0-9 \u00a0()./-]{0,64})"
    r"\Z",
    re.IGNORECASE,
)
"""The end of a text that may go on to be something: a word, an IBAN or a number with gaps."""

_LONGEST_LINE = 500
_GAP = re.compile(r"(?<=[^\W\d_]{3}) (?=[^\W\d_]{3})")
"""Where a line can be cut in two without a change to what is found in it."""


class Stream:
    """Hides the forms of personal data in one text; `feed` gives back what is settled.

    `stand_in` says what takes the place of a finding.
    """

    def __init__(self, patterns: Patterns | None = None, stand_in: StandIn = mask) -> None:
        self._patterns = patterns or Patterns()
        self._stand_in = stand_in
        self._text = ""
        self._sent = 0
        self._enough = 0
        self.found: list[str] = []
        """The types of what was hidden so far, in order."""

    @property
    def held(self) -> int:
        """How many characters wait for what comes next."""
        return len(self._text) - self._sent

    def feed(self, chunk: str) -> str:
        """Take more of the text and return all that is settled."""
        self._text += chunk
        if len(self._text) < self._enough:
            return ""
        findings = self._patterns.find(self._text)
        settled = self._send(self._settled(findings), findings)
        # All that is kept is looked at each time, so a line that cannot be cut waits to grow.
        self._enough = len(self._text) + max(0, len(self._text) - _LONGEST_LINE) // 8
        return settled

    def end(self) -> str:
        """Return the rest: the text has come to its end."""
        return self._send(len(self._text), self._patterns.find(self._text))

    def _settled(self, findings: list[Finding]) -> int:
        until = undecided = len(self._text)
        for seen in views(self._text):
            last = max(seen.found_at(self._sent), len(seen.text) - _LONGEST)
            if opened := _OPEN.search(seen.text, last):
                until = min(until, seen.place(opened.start()))
            undecided = min(undecided, seen.place(max(0, len(seen.text) - AHEAD)))
        for start, end in self._patterns.candidates(self._text):
            if end > undecided:
                until = min(until, start)
        for finding in reversed(findings):
            if finding.start < until < finding.end:
                until = finding.start
        return max(until, self._sent)

    def _send(self, until: int, findings: list[Finding]) -> str:
        now = [f for f in findings if f.start >= self._sent and f.end <= until]
        self.found += [finding.type for finding in now]
        shifted = [f._replace(start=f.start - self._sent, end=f.end - self._sent) for f in now]
        out = hide(self._text[self._sent : until], shifted, self._stand_in)
        self._sent = until
        self._forget()
        return out

    def _forget(self) -> None:
        """Let go of what was sent, but for what a later number may be judged by."""
        if self._sent > 2 * BEHIND:
            seen = views(self._text)
            judged = min(view.place(max(0, view.found_at(self._sent) - BEHIND)) for view in seen)
            cut = self._text.rfind("\n", 0, judged) + 1
            if not cut and self._sent > _LONGEST_LINE:
                gaps = [*_GAP.finditer(self._text, 0, judged)]
                cut = gaps[-1].start() if gaps else 0
            self._text, self._sent = self._text[cut:], self._sent - cut
