"""Search in a knowledge base: by meaning and by words, over what the caller may read alone.

What may be read is decided outside: `GuardedSearch` is told how to ask.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput
from inhouse.core.nouns import Found, Hit, Message, Section
from inhouse.core.protocols import Embedder
from inhouse.knowledge.schema import FORMAT, NUMBER, VECTOR, index_format, open_index
from inhouse.knowledge.support import Signs, read_signs, support
from inhouse.knowledge.tokens import Vectors, meeting
from inhouse.knowledge.words import terms

Decide = Callable[[Actor, str], Decision]
"""``decide(actor, path of a source)``: may they read it?"""

Scores = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int32]

MEANING = 0.7
CANDIDATES = 30
TOKENS, AROUND = 0.65, 0.1
SATURATION = 1.2
LENGTH = 0.75


@dataclass(frozen=True, slots=True)
class _Range:
    """The sections and passages of one source: each a range of numbers."""

    sections: slice
    passages: slice


class KnowledgeBase:
    """An index, opened for searching from any number of threads.

    A first score is 0.7 times the cosine of the best passage plus 0.3 times BM25 over the best
    BM25 (Robertson and Zaragoza, doi:10.1561/1500000019; k1 1.2, b 0.75). The 30 best by it are
    ordered anew: 0.65 times how well the question's tokens are met in the best passage, plus 0.25
    times the first score, plus 0.1 times that of the sections before and behind it. Whatever it
    counts, it counts in readable sources alone: a document frequency over all of them would tell
    a reader about texts that are none of their business.
    """

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        """Open the index in `folder`; `embedder` is the one it was made with.

        Raises:
            BadInput: the index has another format, or vectors of another width.
        """
        self._embedder = embedder
        self._lock = Lock()
        self._index = open_index(folder)
        try:
            self._check()
        except BadInput:
            self.close()
            raise
        query = self._index.execute
        (lengths,) = query("SELECT value FROM meta WHERE name = 'lengths'").fetchone()
        self._lengths = np.frombuffer(lengths, NUMBER).astype(np.float64)
        documents = [d for (d,) in query("SELECT document FROM sections ORDER BY number")]
        self._documents = np.array(documents, int)
        owners = [s for (s,) in query("SELECT section FROM passages ORDER BY number")]
        self._firsts = np.searchsorted(np.array(owners, int), np.arange(len(self._lengths) + 1))
        self._vectors = np.empty((len(owners), embedder.width), np.float32)
        for n, (vector,) in enumerate(query("SELECT vector FROM passages ORDER BY number")):
            self._vectors[n] = np.frombuffer(vector, VECTOR)
        self._ranges = self._find_ranges()

    @property
    def sources(self) -> Sequence[str]:
        """Paths of the sources it was made of, such as ``data/handbook``."""
        return list(self._ranges)

    def close(self) -> None:
        """Close the file."""
        self._index.close()

    def search(self, query: str, *, readable: Collection[str], top: int) -> list[Hit]:
        """Return the best `top` sections of the sources whose paths are in `readable`.

        They come best first; equal ones in the order of source, document and place.
        """
        return self.look(query, readable=readable, top=top)[0]

    def look(
        self, query: str, *, readable: Collection[str], top: int
    ) -> tuple[list[Hit], Signs | None]:
        """Do as `search` does; return also the signs of an answer, None if nothing is found."""
        found = [r for path, r in self._ranges.items() if path in readable]
        ranges = [r for r in found if r.sections.start < r.sections.stop]
        if not ranges or top < 1:
            return [], None
        # Half a surrogate pair can come in through JSON and is no text for anybody.
        query = query.encode(errors="replace").decode()
        (vector,), (tokens,) = self._embedder.embed_tokens([query], starts=[0])
        scores = MEANING * np.concatenate([self._nearness(r, vector) for r in ranges])
        matches, rarities = self._matches(ranges, terms(query))
        if matches.any():
            scores += (1 - MEANING) * matches / matches.max()
        numbers = np.concatenate([np.arange(r.sections.start, r.sections.stop) for r in ranges])
        best = np.argsort(-scores, kind="stable")[: max(top, CANDIDATES)]
        passages = [self._best_passage(int(numbers[i]), vector) for i in best]
        final = (1 - TOKENS - AROUND) * scores[best] + AROUND * self._around(numbers, scores)[best]
        condensed = [self._tokens(passage) for passage in passages]
        met = np.array([meeting(tokens, each) for each in condensed])
        final += TOKENS * met
        order = np.argsort(-final, kind="stable")
        hits = [self._hit(passages[i], float(final[i])) for i in order[:top]]
        signs = read_signs(vector, rarities, hits[0].passage, condensed[order[0]], met[order])
        return hits, signs

    def _check(self) -> None:
        """Refuse an index that cannot be searched with this embedder."""
        if (found := index_format(self._index)) != FORMAT:
            raise BadInput(
                f"The knowledge base has format {found}, not {FORMAT}.", "Make it again."
            )
        (width,) = self._index.execute("SELECT value FROM meta WHERE name = 'width'").fetchone()
        if width != self._embedder.width:
            raise BadInput(
                f"The knowledge base has vectors of {width} numbers, "
                f"the embedder gives {self._embedder.width}.",
                "Open it with the embedder it was made with.",
            )

    def _find_ranges(self) -> dict[str, _Range]:
        rows = self._index.execute(
            "SELECT src.section, src.name, min(sec.number), max(sec.number) FROM sources src "
            "LEFT JOIN documents doc ON doc.source = src.number "
            "LEFT JOIN sections sec ON sec.document = doc.number "
            "GROUP BY src.number ORDER BY src.number"
        )
        ranges = {}
        for section, name, first, last in rows:
            start, stop = (0, 0) if first is None else (first, last + 1)
            passages = slice(int(self._firsts[start]), int(self._firsts[stop]))
            ranges[Ref(section, name).path] = _Range(slice(start, stop), passages)
        return ranges

    def _nearness(self, part: _Range, vector: Vectors) -> Scores:
        """Return the cosine of the best passage of each section, float64 of shape [sections].

        One dot product a row, not a matrix product: its last digits then depend on that row
        alone, and no threads have to be woken for a millisecond of work.
        """
        cosines = np.vecdot(self._vectors[part.passages], vector)
        firsts = self._firsts[part.sections] - part.passages.start
        return np.maximum.reduceat(cosines, firsts).astype(np.float64)

    def _matches(
        self, ranges: Sequence[_Range], words: Sequence[str]
    ) -> tuple[Scores, dict[str, float]]:
        """Return BM25 of each section in `ranges`, float64 of shape [sections].

        With it come the rarities of the words among them.
        """
        lengths = np.concatenate([self._lengths[r.sections] for r in ranges])
        scores = np.zeros(len(lengths))
        rarities = {}
        weights = SATURATION * (1 - LENGTH + LENGTH * lengths / max(lengths.mean(), 1.0))
        for word in words:
            places, times = self._postings(ranges, word)
            rarity = math.log(1 + (len(lengths) - len(places) + 0.5) / (len(places) + 0.5))
            scores[places] += rarity * times * (SATURATION + 1) / (times + weights[places])
            rarities[word] = rarity
        return scores, rarities

    def _postings(self, ranges: Sequence[_Range], word: str) -> tuple[Numbers, Numbers]:
        """Return where in `ranges`, counted through, a term stands, and how often there."""
        with self._lock:
            row = self._index.execute(
                "SELECT sections, times FROM terms WHERE term = ?", (word,)
            ).fetchone()
        numbers, times = (np.frombuffer(blob, NUMBER) for blob in row or (b"", b""))
        places, counts, seen = [], [], 0
        for part in (r.sections for r in ranges):
            first, last = np.searchsorted(numbers, (part.start, part.stop))
            places.append(numbers[first:last] - part.start + seen)
            counts.append(times[first:last])
            seen += part.stop - part.start
        return np.concatenate(places), np.concatenate(counts)

    def _best_passage(self, section: int, vector: Vectors) -> int:
        """Return the number of the passage of a section that is nearest in meaning."""
        first, last = self._firsts[section : section + 2]
        return int(first + np.argmax(np.vecdot(self._vectors[first:last], vector)))

    def _around(self, numbers: npt.NDArray[np.intp], scores: Scores) -> Scores:
        """Return for each section half the sum of the scores before and behind it in its document.

        What answers a question rarely stands alone among other matters.
        """
        documents = self._documents[numbers]
        together = documents[1:] == documents[:-1]
        around = np.zeros(len(scores))
        around[1:] += scores[:-1] * together
        around[:-1] += scores[1:] * together
        return around / 2

    def _tokens(self, passage: int) -> bytes:
        with self._lock:
            row = self._index.execute(
                "SELECT vectors FROM tokens WHERE passage = ?", (passage,)
            ).fetchone()
        return bytes(row[0])

    def _hit(self, passage: int, score: float) -> Hit:
        with self._lock:
            row = self._index.execute(
                "SELECT sec.id, src.section, src.name, src.version, doc.path, sec.position, "
                "sec.headings, sec.anchor, sec.text, pas.start, pas.stop FROM passages pas "
                "JOIN sections sec ON sec.number = pas.section "
                "JOIN documents doc ON doc.number = sec.document "
                "JOIN sources src ON src.number = doc.source WHERE pas.number = ?",
                (passage,),
            ).fetchone()
        name, *source, path, position, headings, anchor, text, start, stop = row
        names = tuple(json.loads(headings))
        section = Section(name, Ref(*source), path, position, names, anchor, text)
        return Hit(section, text[start:stop], min(max(score, 0.0), 1.0))


class GuardedSearch:
    """A knowledge base that asks before it looks: what a `Retriever` is."""

    def __init__(self, base: KnowledgeBase, decide: Decide) -> None:
        self._base = base
        self._decide = decide

    def search(
        self, query: str, actor: Actor, *, top: int, before: Sequence[Message] = ()
    ) -> Found:
        """Return the best `top` sections of those the actor may read.

        Raises:
            Refused: the actor may read no source of this knowledge base.
        """
        decisions = {path: self._decide(actor, path) for path in self._base.sources}
        readable = frozenset(path for path, decision in decisions.items() if decision.allowed)
        if decisions and not readable:
            next(iter(decisions.values())).require()
        hits, signs = self._base.look(query, readable=readable, top=top)
        return Found(query, tuple(hits), support(signs) if signs else 0.0)
