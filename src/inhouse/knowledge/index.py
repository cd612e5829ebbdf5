"""The stage that makes a knowledge base of documents, embedding only what is new.

What the version before holds is taken over by keys, and so are vectors that other indexes of the
store hold. The index file that comes out has the bytes of a run from nothing; Lance's tables are
written anew, and hold names made by chance. Its
unfinished work is a file of vectors that grows batch by batch, so that a run which was cut off goes
on where it stood. Searching is the business of `search`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

import numpy as np

from inhouse.catalog.rows import read_documents
from inhouse.core.artifact import Input, Ref
from inhouse.core.errors import InhouseError
from inhouse.core.nouns import Document
from inhouse.core.protocols import Embedder
from inhouse.core.stage import Context, Inputs, Other, Result, Stage
from inhouse.knowledge.earlier import Earlier, SectionRow, earlier
from inhouse.knowledge.lance import FOLDER, require_lance, write_tables
from inhouse.knowledge.passages import Passage, cut
from inhouse.knowledge.schema import FILE, FORMAT, NUMBER, SCHEMA, VECTOR
from inhouse.knowledge.sections import pieces, split
from inhouse.knowledge.terms import Posting, write_terms
from inhouse.knowledge.tokens import condense
from inhouse.knowledge.words import postings
from inhouse.models.load import load_embedder

UNFINISHED = "vectors.sqlite"
BATCH = 64
PASSAGE_WORDS = 180
WORTH = 5000
"""Opening an index of so many passages costs about as much as embedding one."""
# To be raised, with the stage's code, whenever `LocalEmbedder` or `condense` gives other numbers.
EMBEDDING = 1


@dataclass(frozen=True, slots=True)
class Index:
    """How to index: `store` is what finds near vectors.

    ``sqlite`` reads all of them into memory, ``lance`` leaves them on disk.
    """

    store: Literal["sqlite", "lance"] = "sqlite"


def run(spec: Index, inputs: Inputs, ctx: Context) -> Result:
    """Index the documents of all inputs but ``embedder``, which is what embeds them."""
    model = inputs["embedder"]
    sources = [source for role, source in inputs.items() if role != "embedder"]
    return build(spec, sources, ctx, load_embedder(model.folder), identity=model.artifact.digest)


STAGE = Stage("knowledge.index", 5, run)


def build(
    spec: Index, sources: Sequence[Input], ctx: Context, embedder: Embedder, *, identity: str
) -> Result:
    """Write the index of `sources` into ``ctx.work``.

    Sections are taken over from ``ctx.previous`` where the document is the same, and vectors
    from there, from ``ctx.others`` and from the unfinished work where the embedder and the text
    are. A vector follows from its text alone, so it does not matter who may read the other index;
    but how many were embedded tells what others hold, and is for nobody but whoever runs this.

    Args:
        spec: how to index.
        sources: folders of documents.
        ctx: where to work.
        embedder: what embeds the passages.
        identity: digest of the embedder; vectors of another one are never taken over.

    Raises:
        InhouseError: the embedder gives numbers that are not finite.
        MissingExtra: the store is Lance, which is not installed.
    """
    if spec.store == "lance":
        require_lance()
        shutil.rmtree(ctx.work / FOLDER, ignore_errors=True)
    file = ctx.work / FILE
    file.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(file)) as index,
        closing(sqlite3.connect(ctx.work / UNFINISHED)) as vectors,
        earlier(ctx.previous.folder if ctx.previous else None) as before,
    ):
        # The file is begun anew by every run, so there is nothing to roll back to.
        index.execute("PRAGMA journal_mode = OFF")
        index.executescript(SCHEMA)
        vectors.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB, tokens BLOB)"
        )
        sections = _Sections(index, before, identity)
        for number, source in enumerate(sorted(sources, key=lambda s: s.artifact.ref)):
            sections.write(number, source)
        wanted = _missing(vectors, sections.passages, before)
        missing = _find(vectors, wanted, ctx.others)
        _embed(vectors, missing, index, ctx, embedder)
        _write_passages(index, sections.passages, vectors, before)
        write_terms(index, before.terms(sections.taken), _new_terms(index, sections.taken))
        meta = {"format": FORMAT, "width": embedder.width}
        index.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        index.commit()
    if spec.store == "lance":
        write_tables(ctx.work, embedder.width)
    total, new = len(sections.passages), len(missing)
    counts = {"passages": total, "embedded": new, "reused": total - new}
    return Result(sections.counts() | counts, scratch=(UNFINISHED,))


def sections_of(document: Document) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield the headings of each section of a document, and the passages an index cuts it into."""
    for piece in pieces(document):
        spans = cut(piece.text, PASSAGE_WORDS)
        yield piece.headings, [piece.text[start:stop] for start, stop in spans]


class _Sections:
    """Writes documents and sections, and gathers their passages.

    `taken` are the sections that came from the index before: their numbers there and here.
    """

    def __init__(self, index: sqlite3.Connection, before: Earlier, identity: str) -> None:
        self.passages: list[Passage] = []
        self.taken: list[tuple[int, int]] = []
        self._index = index
        self._before = before
        self._identity = identity
        self._documents = self._sections = self._skipped = 0

    def counts(self) -> dict[str, int]:
        """Return how many documents and sections there are, and documents without any."""
        documents, sections = self._documents, self._sections
        return {"documents": documents, "sections": sections, "empty_documents": self._skipped}

    def write(self, number: int, source: Input) -> None:
        """Write a source, which comes after those that were written before."""
        ref = source.artifact.ref
        self._index.execute(
            "INSERT INTO sources VALUES (?, ?, ?, ?)", (number, ref.section, ref.name, ref.version)
        )
        for document in read_documents(source.folder):
            key = self._key(document, ref)
            about = (document.path, document.title, document.modified, document.digest, key)
            self._index.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._documents, number, *about),
            )
            rows = self._before.sections(key)
            found = self._split(document, ref) if rows is None else self._take(key, rows)
            self._index.executemany(
                "INSERT INTO sections VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((n, id, self._documents, *rest) for n, id, *rest in found),
            )
            self._documents += 1
            self._sections += len(found)
            self._skipped += not found

    def _key(self, document: Document, ref: Ref) -> bytes:
        how = (STAGE.code, EMBEDDING, PASSAGE_WORDS, self._identity, ref.path)
        what = (document.path, document.title, document.text)
        return hashlib.sha256(json.dumps((how, what)).encode()).digest()

    def _split(self, document: Document, ref: Ref) -> list[SectionRow]:
        rows: list[SectionRow] = []
        for n, s in enumerate(split(document, ref), self._sections):
            rows.append((n, s.id, s.position, json.dumps(s.headings), s.anchor, s.text))
            for start, stop in cut(s.text, PASSAGE_WORDS):
                embedded, own = _embedded_text(rows[-1][3], s.text[start:stop])
                whole = f"{EMBEDDING}\n{self._identity}\n{own}\n{embedded}"
                key = hashlib.sha256(whole.encode()).digest()
                self.passages.append(Passage(n, start, stop, key))
        return rows

    def _take(self, key: bytes, rows: Sequence[SectionRow]) -> list[SectionRow]:
        """Return the rows under their new numbers; keep their passages."""
        shift = self._sections - rows[0][0] if rows else 0
        moved = [replace(p, section=p.section + shift) for p in self._before.passages(key)]
        self.passages += moved
        self.taken += ((n, n + shift) for n, *_ in rows)
        return [(row[0] + shift, *row[1:]) for row in rows]


def _embedded_text(headings: str, passage: str) -> tuple[str, int]:
    """Return what is embedded of a passage, and where the section's own heading begins in it.

    The path of headings says what a passage is about. Its neighbours share the upper ones, so
    tokens are kept from the own heading on.
    """
    *above, own = json.loads(headings)
    path = "".join(f"{heading} > " for heading in above)
    return f"{path}{own}\n{passage}", len(path)


def _missing(
    vectors: sqlite3.Connection, passages: Sequence[Passage], before: Earlier
) -> list[Passage]:
    """Return the passages whose vectors nobody has, each text once."""
    wanted = {passage.key: passage for passage in passages if not before.holds(passage.key)}
    for (key,) in vectors.execute("SELECT key FROM vectors"):
        wanted.pop(key, None)
    return list(wanted.values())


def _find(
    vectors: sqlite3.Connection, missing: Sequence[Passage], others: Callable[[], Iterator[Other]]
) -> Sequence[Passage]:
    """Bring what other indexes hold into `vectors`; return the passages that are still missing.

    Others are opened as long as that costs less than embedding what is missing.
    """
    worth = len(missing) * WORTH
    for other in others() if missing else ():
        if not missing:
            break
        if other.summary["passages"] > worth:
            continue
        worth -= other.summary["passages"]
        opened = other.open()
        with earlier(opened.folder if opened else None) as index:
            found = [p.key for p in missing if index.holds(p.key)]
            rows = ((key, index.vector(key), index.tokens(key)) for key in found)
            vectors.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)
            vectors.commit()
            missing = [p for p in missing if not index.holds(p.key)]
    return missing


def _embed(
    vectors: sqlite3.Connection,
    missing: Sequence[Passage],
    index: sqlite3.Connection,
    ctx: Context,
    embedder: Embedder,
) -> None:
    """Bring the vectors of passages into `vectors`, batch by batch."""
    # Passages of about the same length waste the least when they are embedded together. Batches
    # are shuffled, so that what is done tells how long the rest will take.
    ordered = sorted(missing, key=lambda p: p.stop - p.start)
    batches = [ordered[n : n + BATCH] for n in range(0, len(ordered), BATCH)]
    Random(0).shuffle(batches)
    done = 0
    for batch in batches:
        ctx.progress(done, len(ordered), "passages")
        texts, starts = zip(*(_text_of(index, passage) for passage in batch), strict=True)
        found, tokens = embedder.embed_tokens(texts, starts=starts)
        if not all(np.isfinite(numbers).all() for numbers in (found, *tokens)):
            raise InhouseError(
                "The embedder gives numbers that are not finite.", "Build or pull it anew."
            )
        kept = (vector.tobytes() for vector in found.astype(VECTOR))
        rows = zip((p.key for p in batch), kept, map(condense, tokens), strict=True)
        vectors.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)
        vectors.commit()
        done += len(batch)
        ctx.progress(done, len(ordered), "passages")


def _text_of(index: sqlite3.Connection, passage: Passage) -> tuple[str, int]:
    headings, text = index.execute(
        "SELECT headings, text FROM sections WHERE number = ?", (passage.section,)
    ).fetchone()
    return _embedded_text(headings, text[passage.start : passage.stop])


def _write_passages(
    index: sqlite3.Connection,
    passages: Sequence[Passage],
    vectors: sqlite3.Connection,
    before: Earlier,
) -> None:
    def new(what: str, key: bytes) -> bytes:
        (blob,) = vectors.execute(f"SELECT {what} FROM vectors WHERE key = ?", (key,)).fetchone()
        return bytes(blob)

    def vector(key: bytes) -> bytes:
        return before.vector(key) if before.holds(key) else new("vector", key)

    def tokens(key: bytes) -> bytes:
        return before.tokens(key) if before.holds(key) else new("tokens", key)

    index.executemany(
        "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)",
        ((n, p.section, p.start, p.stop, p.key, vector(p.key)) for n, p in enumerate(passages)),
    )
    index.executemany(
        "INSERT INTO tokens VALUES (?, ?)", ((n, tokens(p.key)) for n, p in enumerate(passages))
    )


def _new_terms(index: sqlite3.Connection, taken: Sequence[tuple[int, int]]) -> Iterator[Posting]:
    """Yield the terms of the sections that were not taken over."""
    known = {number for _, number in taken}
    rows = index.execute("SELECT number, headings, text FROM sections ORDER BY number")
    texts = ((n, " ".join(json.loads(h)), text) for n, h, text in rows if n not in known)
    for term, found in postings(texts):
        numbers, times = np.array(found, NUMBER).T
        yield term, numbers, times
