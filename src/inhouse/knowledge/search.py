"""Search in a knowledge base: by meaning and by words, over what the caller may read alone.

What may be read is decided outside: `GuardedSearch` is told how to ask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, UserError
from inhouse.core.nouns import Found, Hit, Message, Section
from inhouse.core.protocols import Embedder
from inhouse.knowledge.bm25 import Postings, Scores
from inhouse.knowledge.lance import FOLDER, LanceTables
from inhouse.knowledge.layout import Layout, Numbers, Source
from inhouse.knowledge.rank import FirstScore, second_score
from inhouse.knowledge.schema import FORMAT, IndexFile
from inhouse.knowledge.vectors import Matrix, Vectors, VectorStore, highest
from inhouse.knowledge.words import terms

Decide = Callable[[Actor, str], Decision]
"""``decide(actor, path of a source)``: may they read it?"""

NEAREST = 200
CANDIDATES = 30


class KnowledgeBase:
    """An index, opened for searching from any number of threads.

    Looked at are the 200 readable passages that are nearest in meaning, and the 200 sections that
    match the words best. A first score is 0.7 times the cosine of the best
    passage plus 0.3 times BM25 over the best BM25. The 30 best by it are ordered anew: 0.65 times
    how well the question's tokens are met in the best passage, plus 0.25 times the first score,
    plus 0.1 times that of the sections before and behind it.
    """

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        """Open the index in `folder`; `embedder` is the one it was made with.

        Raises:
            BadInput: the index has another format, or vectors of another width.
            MissingExtra: its vectors lie in Lance, which is not installed.
        """
        self._embedder = embedder
        self._index = IndexFile(folder)
        try:
            self._check()
            self._layout = Layout(self._index)
            self._vectors = self._open_vectors(folder)
        except UserError:
            self.close()
            raise
        self._postings = Postings(self._index)

    @property
    def sources(self) -> Sequence[str]:
        """Paths of the sources it was made of, such as ``data/handbook``."""
        return list(self._layout.sources)

    def close(self) -> None:
        """Close the file."""
        self._index.close()

    def search(self, query: str, *, readable: Collection[str], top: int) -> list[Hit]:
        """Return the best `top` sections of the sources whose paths are in `readable`.

        They come best first; equal ones in the order of source, document and place.
        """
        sources = [source for source in self._layout.filled() if source.path in readable]
        if not sources:
            return []
        # Half a surrogate pair can come in through JSON and is no text for anybody.
        query = query.encode(errors="replace").decode()
        (vector,), (tokens,) = self._embedder.embed_tokens([query], starts=[0])
        matches = self._postings.scores(sources, terms(query))
        score = FirstScore(self._layout, self._vectors, vector, matches)
        sections = self._candidates(sources, vector, matches, max(top, NEAREST))
        first, passages = score.of(sections)
        best = np.argsort(-first, kind="stable")[: max(top, CANDIDATES)]
        final = second_score(
            first[best], score.around(sections[best]), tokens, self._tokens(passages[best])
        )
        order = np.argsort(-final, kind="stable")[:top]
        return [self._hit(int(passages[best][i]), float(final[i])) for i in order]

    def _check(self) -> None:
        """Refuse an index that cannot be searched with this embedder."""
        if (found := self._index.format) != FORMAT:
            raise BadInput(
                f"The knowledge base has format {found}, not {FORMAT}.", "Make it again."
            )
        ((width,),) = self._index.rows("SELECT value FROM meta WHERE name = 'width'")
        if width != self._embedder.width:
            raise BadInput(
                f"The knowledge base has vectors of {width} numbers, "
                f"the embedder gives {self._embedder.width}.",
                "Open it with the embedder it was made with.",
            )

    def _open_vectors(self, folder: Path) -> VectorStore:
        if (folder / FOLDER).is_dir():
            return LanceTables(folder, self._index, self._layout)
        return Matrix(self._index)

    def _candidates(
        self, sources: Sequence[Source], vector: Vectors, matches: Scores, most: int
    ) -> Numbers:
        """Return the sections that are worth a look, in order."""
        found = [self._vectors.nearest(source, vector, most) for source in sources]
        passages, cosines = (np.concatenate(part) for part in zip(*found, strict=True))
        near = self._layout.sections_of(passages[highest(cosines, most)])
        matching = np.flatnonzero(matches)
        matching = matching[highest(matches[matching], most)]
        return np.union1d(near, matching)

    def _tokens(self, passages: Numbers) -> list[bytes]:
        """Return the condensed tokens of passages."""
        wanted = ", ".join(map(str, passages))
        rows = self._index.rows(f"SELECT passage, vectors FROM tokens WHERE passage IN ({wanted})")
        found = dict(rows)
        return [found[int(passage)] for passage in passages]

    def _hit(self, passage: int, score: float) -> Hit:
        ((name, *source, path, position, headings, anchor, text, start, stop),) = self._index.rows(
            "SELECT sec.id, src.section, src.name, src.version, doc.path, sec.position, "
            "sec.headings, sec.anchor, sec.text, pas.start, pas.stop FROM passages pas "
            "JOIN sections sec ON sec.number = pas.section "
            "JOIN documents doc ON doc.number = sec.document "
            "JOIN sources src ON src.number = doc.source WHERE pas.number = ?",
            passage,
        )
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
        hits = self._base.search(query, readable=readable, top=top)
        return Found(query, tuple(hits), float(bool(hits)))
