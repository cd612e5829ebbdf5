"""Takes a text apart: sentences and blocks of code, and the words that carry its meaning.

What of it stands in another text is compared in `inhouse.serve.judge`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]
"""Where something begins and ends in a text."""

STEM = 5
WRAPPED = 50
NUMBERED = r" ?[\[【]\^?\d{1,3}(?: ?[,;–-] ?\^?\d{1,3}){0,9}(?:†[^\]】`\n]{0,40})?[\]】]"
"""A mark that names numbered sections: [1], [1, 2], [^1], 【1】, 【1†leave.md】."""

# Scripts without spaces between words: Thai to Myanmar, Khmer, kana, Han. A run is one word.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
RUN = re.compile(rf"[{UNSPACED}]+")
WORD = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
# A full stop of these, or before a small letter, ends no sentence.
SHORTENED = "Dr Mr Mrs Ms Prof St vs cf approx e.g i.e z.B d.h bzw ca Nr"
FULL_STOP = "".join(rf"(?<!\b{re.escape(word)}\.)" for word in SHORTENED.split())
CLOSERS = r"[\"'”’)\]*_]*"
END = re.compile(
    rf"(?<=[.!?]){FULL_STOP}(?:{NUMBERED})*{CLOSERS}\s+(?=[^\sa-zß-öø-ÿ])"
    r"|(?<=[。！？])[」』”’）]*\s*|\n+"
)
WHOLE = re.compile(rf"[.!?。！？](?:{NUMBERED})*[」』）]*{CLOSERS}\s*\Z")
LISTED = re.compile(r"^(?:[-*+•]|\(?\d{1,3}[.)])\s+")
ITEM = re.compile(r"\s*\(?\d{1,3}[.)]\s*")
MARKS = re.compile(rf"[`*_#>|]+|{NUMBERED}")
CLOSING = ".!?:;。！？"
BLOCK = re.compile(r"^(```|~~~).*?(^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
OPENS = re.compile(r"[-*+•|#>]|\d+[.)]\s")
EDGE = re.compile(r"^\W+|\W+$")
IDLE = frozenset(
    WORD.findall(
        "a an and are as at be by can do does for from has have how i in is it its may of on or "
        "that the their there these they this to was what when where which who why will with you "
        "your document documents section sections question answer answers"
    )
)


def words(text: str) -> frozenset[str]:
    """Return the words that carry a text's meaning, cut to their first five letters.

    A run of letters of a script without spaces stays whole.
    """
    plain = MARKS.sub(" ", text.lower())
    return frozenset(
        word if RUN.match(word) else word[:STEM] for word in WORD.findall(plain) if word not in IDLE
    )


def core(text: str) -> str:
    """Return a sentence without marks and what stands around it, each gap one space."""
    return EDGE.sub("", " ".join(MARKS.sub(" ", text).split()))


def parts(passage: str) -> Iterator[Span]:
    """Yield where the sentences and the blocks of code of a passage begin and end."""
    start = 0
    for block in BLOCK.finditer(passage):
        yield from _sentences(passage, start, block.start())
        yield block.span()
        start = block.end()
    yield from _sentences(passage, start, len(passage))


def stripped(passage: str, start: int, end: int) -> Span:
    """Return a span without the blanks at its ends."""
    part = passage[start:end]
    start += len(part) - len(part.lstrip())
    return start, start + len(part.strip())


def ends(text: str, start: int = 0, end: int | None = None) -> Iterator[re.Match[str]]:
    """Yield the gaps behind the sentences of a text; the number of an item of a list is none."""
    for gap in END.finditer(text, start, len(text) if end is None else end):
        if not ITEM.fullmatch(text, start, gap.start()):
            yield gap
            start = gap.end()


def whole(text: str) -> str | None:
    """Return a text up to its last full stop; None if it does not end with a sentence."""
    found = WHOLE.search(text)
    return text[: found.start() + 1] if found else None


def _sentences(passage: str, start: int, end: int) -> Iterator[Span]:
    for gap in ends(passage, start, end):
        if _wrapped(passage, gap):
            continue
        if words(passage[start : gap.start()]):
            yield start, gap.start()
        start = gap.end()
    if words(passage[start:end]):
        yield start, end


def _wrapped(passage: str, gap: re.Match[str]) -> bool:
    """Say whether a line ends here for its length alone, in the middle of a sentence."""
    line = passage.rfind("\n", 0, gap.start()) + 1
    before = passage[line : gap.start()].rstrip()
    after = passage[gap.end() : gap.end() + 8].lstrip()
    if gap[0] != "\n" or not before or before[-1] in CLOSING or OPENS.match(after):
        return False
    return after[:1].islower() or len(before) >= WRAPPED
