"""Search in a knowledge base: by meaning and by words, over what the caller may read alone.

What may be read is decided outside: `GuardedSearch` is told how to ask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, UserError
from inhouse.core.nouns import Found, Hit, Message, Section
from inhouse.core.protocols import Embedder
from inhouse.knowledge.bm25 import Postings, Scores
from inhouse.knowledge.conversation import asks, standalone
from inhouse.knowledge.lance import FOLDER, LanceTables
from inhouse.knowledge.layout import Layout, Numbers, Source
from inhouse.knowledge.rank import FirstScore, combined, met, read, token_weights
from inhouse.knowledge.schema import FORMAT, IndexFile
from inhouse.knowledge.support import READ, UNKNOWN, Signs, read_signs, support, unknown
from inhouse.knowledge.vectors import Matrix, Vectors, VectorStore, highest
from inhouse.knowledge.words import terms

Decide = Callable[[Actor, str], Decision]
"""``decide(actor, path of a source)``: may they read it?"""

# Enough for any question; searching for whole documents would keep everybody waiting.
QUERY_LETTERS = 2000
NEAREST = 200
CANDIDATES = 40


class KnowledgeBase:
    """An index, opened for searching from any number of threads.

    Looked at are the 200 passages of each readable source that are nearest in meaning, and the 200
    readable sections that match the words best. The 40 best by a first score are ordered anew, as
    `rank` says. Whatever is counted, it is counted in readable sources alone: a document frequency
    over all of them would tell a reader about texts that are none of their business.
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
        return self.look(query, readable=readable, top=top)[0]

    def look(
        self, query: str, *, readable: Collection[str], top: int
    ) -> tuple[list[Hit], Signs | None]:
        """Do as `search` does; return also the signs of an answer, None if nothing is found."""
        sources = self._filled(readable)
        if not sources or top < 1:
            return [], None
        # Half a surrogate pair can come in through JSON and is no text for anybody.
        query = query.encode(errors="replace").decode()
        (vector,), (tokens,) = self._embedder.embed_tokens([query], starts=[0])
        matches, rarities = self._postings.scores(sources, terms(query))
        score = FirstScore(self._layout, self._vectors, vector, matches)
        sections = self._candidates(sources, vector, matches, max(top, NEAREST))
        first, passages = score.of(sections)
        best = np.argsort(-first, kind="stable")[: max(top, CANDIDATES)]
        sections, first, passages = sections[best], first[best], passages[best]
        weights = token_weights(self._embedder.pieces(query))
        condensed, meetings = self._meetings(tokens, weights, sections, passages)
        final = combined(first, score.around(sections), meetings)
        order = np.argsort(-final, kind="stable")
        hits = [self._hit(int(passages[i]), float(final[i])) for i in order[: max(top, READ)]]
        texts = [hit.passage for hit in hits[:READ]]
        nearest = [condensed[int(passages[i])] for i in order[:READ]]
        return hits[:top], read_signs(vector, rarities, texts, nearest, meetings[order])

    def rarity(self, term: str, *, readable: Collection[str]) -> float:
        """Return how much a term tells among the sections of `readable`; 0 if it is in none."""
        sources = self._filled(readable)
        return self._postings.rarity(sources, term) if sources else 0.0

    def _check(self) -> None:
        """Refuse an index that cannot be searched with this embedder."""
        if (found := self._index.format) != FORMAT:
            raise BadInput(
                f"The knowledge base has format {found}, not {FORMAT}: it is of another version of "
                "the program.",
                "Make it again with `inhouse run`; it is served at once.",
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

    def _meetings(
        self, question: Vectors, weights: Scores, sections: Numbers, nearest: Numbers
    ) -> tuple[dict[int, bytes], Scores]:
        """Return the condensed tokens of all passages looked at, and how well each section meets.

        Args:
            question: unit vectors of its tokens.
            weights: how much each of them counts.
            sections: the candidates.
            nearest: the passage of each that is nearest in meaning.
        """
        beside = [self._layout.beside(sections, step) for step in (-1, 1)]
        firsts = (self._layout.first_passages(each) for each in (sections, *beside))
        looked_at = np.stack([nearest, *firsts], axis=1)
        looked_at[:, 2:][np.stack(beside, axis=1) < 0] = -1
        condensed = self._tokens(np.unique(looked_at[looked_at >= 0]))
        readings = {number: read(question, vectors) for number, vectors in condensed.items()}
        meetings = [
            met(weights, readings[first], readings[near], [readings[n] for n in others if n >= 0])
            for near, first, *others in looked_at.tolist()
        ]
        return condensed, np.array(meetings)

    def _tokens(self, passages: Numbers) -> dict[int, bytes]:
        """Return the condensed tokens of passages by number."""
        wanted = ", ".join(map(str, passages))
        query = f"SELECT passage, vectors FROM tokens WHERE passage IN ({wanted})"
        return dict(self._index.rows(query))

    def _filled(self, readable: Collection[str]) -> list[Source]:
        return [source for source in self._layout.filled() if source.path in readable]

    def _hit(self, passage: int, score: float) -> Hit:
        (row,) = self._index.rows(
            "SELECT sec.id, src.section, src.name, src.version, doc.path, doc.modified, "
            "sec.position, sec.headings, sec.anchor, sec.text, pas.start, pas.stop "
            "FROM passages pas JOIN sections sec ON sec.number = pas.section "
            "JOIN documents doc ON doc.number = sec.document "
            "JOIN sources src ON src.number = doc.source WHERE pas.number = ?",
            passage,
        )
        name, *source, path, modified, position, headings, anchor, text, start, stop = row
        names = tuple(json.loads(headings))
        section = Section(name, Ref(*source), path, position, names, anchor, text, modified)
        return Hit(section, text[start:stop], min(max(score, 0.0), 1.0))


class GuardedSearch:
    """A knowledge base that asks before it looks: what a `Retriever` is."""

    def __init__(self, base: KnowledgeBase, decide: Decide) -> None:
        self._base = base
        self._decide = decide

    def search(
        self, query: str, actor: Actor, *, top: int, before: Sequence[Message] = ()
    ) -> Found:
        """Return the best `top` sections of those the actor may read; see `Retriever`.

        Raises:
            Refused: the actor may read no source of this knowledge base.
        """
        decisions = {path: self._decide(actor, path) for path in self._base.sources}
        readable = frozenset(path for path, decision in decisions.items() if decision.allowed)
        if decisions and not readable:
            next(iter(decisions.values())).require()
        query = query.strip()[:QUERY_LETTERS]
        rarity = partial(self._base.rarity, readable=readable)
        whole = standalone(query, before, rarity)
        hits, signs = self._base.look(whole, readable=readable, top=top)
        supported = support(signs) if signs else 0.0
        if hits and unknown(query, rarity, hits[0].section.document):
            supported *= UNKNOWN
        return Found(whole, tuple(hits), supported, asks(query))

    def close(self) -> None:
        """Close the knowledge base."""
        self._base.close()
