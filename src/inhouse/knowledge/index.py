"""The stage that makes a knowledge base of documents, embedding only what is new.

Its unfinished work is a file of vectors that grows batch by batch, so that a run which was cut
off goes on where it stood. Searching is the business of `search`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inhouse.core.artifact import Input, Ref
from inhouse.core.documents import read_documents
from inhouse.core.errors import InhouseError
from inhouse.core.nouns import Document
from inhouse.core.protocols import Embedder
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.knowledge.lance import FOLDER, require_lance, write_tables
from inhouse.knowledge.passages import cut
from inhouse.knowledge.schema import FILE, FORMAT, NUMBER, SCHEMA, VECTOR, index_format, open_index
from inhouse.knowledge.tokens import condense
from inhouse.knowledge.words import postings

UNFINISHED = "vectors.sqlite"
BATCH = 64


@dataclass(frozen=True, slots=True)
class Index:
    """How to index: `chunk_words` is the most words that a passage has.

    `store` is what finds near vectors: ``sqlite`` reads all of them into memory, ``lance`` leaves
    them on disk.
    """

    chunk_words: int = 180
    store: Literal["sqlite", "lance"] = "sqlite"


@dataclass(frozen=True, slots=True)
class _Passage:
    """A piece of a section, by places in its text; `key` stands for what is embedded of it."""

    section: int
    start: int
    stop: int
    key: bytes


def run(spec: Index, inputs: Inputs, ctx: Context) -> Result:
    """Index the documents of all inputs but ``embedder``, which is what embeds them."""
    from inhouse.models.load import load_embedder

    model = inputs["embedder"]
    sources = [source for role, source in inputs.items() if role != "embedder"]
    return build(spec, sources, ctx, load_embedder(model.folder), identity=model.artifact.digest)


STAGE = Stage("knowledge.index", 2, run)


def build(
    spec: Index, sources: Sequence[Input], ctx: Context, embedder: Embedder, *, identity: str
) -> Result:
    """Write the index of `sources` into ``ctx.work``.

    Vectors are taken from the unfinished work there and from ``ctx.previous`` where the embedder
    and the text are the same.

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
    ):
        # The file is begun anew by every run, so there is nothing to roll back to.
        index.execute("PRAGMA journal_mode = OFF")
        index.executescript(SCHEMA)
        summary = _write_sections(index, sources)
        passages = list(_passages(index, spec.chunk_words, identity))
        vectors.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB, tokens BLOB)"
        )
        embedded = _find_vectors(vectors, passages, index, ctx, embedder)
        _write_passages(index, passages, vectors)
        _write_terms(index)
        meta = {"format": FORMAT, "width": embedder.width, "chunk_words": spec.chunk_words}
        index.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        index.commit()
    if spec.store == "lance":
        write_tables(ctx.work, embedder.width)
    counts = {"passages": len(passages), "embedded": embedded, "reused": len(passages) - embedded}
    return Result(summary | counts, scratch=(UNFINISHED,))


def sections_of(document: Document) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield the headings of each section of a document, and the passages an index cuts it into."""
    from inhouse.knowledge.sections import split

    for section in split(document, Ref("data", "any")):
        spans = cut(section.text, Index().chunk_words)
        yield section.headings, [section.text[start:stop] for start, stop in spans]


def _write_sections(index: sqlite3.Connection, sources: Sequence[Input]) -> dict[str, int]:
    from inhouse.knowledge.sections import split

    documents = sections = skipped = 0
    for number, source in enumerate(sorted(sources, key=lambda s: s.artifact.ref)):
        ref = source.artifact.ref
        index.execute(
            "INSERT INTO sources VALUES (?, ?, ?, ?)", (number, ref.section, ref.name, ref.version)
        )
        for document in read_documents(source.folder):
            about = (document.path, document.title, document.modified, document.digest)
            index.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)", (documents, number, *about)
            )
            found = split(document, ref)
            index.executemany(
                "INSERT INTO sections VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (n, s.id, documents, s.position, json.dumps(s.headings), s.anchor, s.text)
                    for n, s in enumerate(found, sections)
                ),
            )
            documents += 1
            sections += len(found)
            skipped += not found
    return {"documents": documents, "sections": sections, "skipped": skipped}


def _passages(index: sqlite3.Connection, words: int, identity: str) -> Iterator[_Passage]:
    rows = index.execute("SELECT number, headings, text FROM sections ORDER BY number")
    for number, headings, text in rows:
        for start, stop in cut(text, words):
            embedded, own = _embedded_text(headings, text[start:stop])
            whole = f"{identity}\n{own}\n{embedded}"
            yield _Passage(number, start, stop, hashlib.sha256(whole.encode()).digest())


def _embedded_text(headings: str, passage: str) -> tuple[str, int]:
    """Return what is embedded of a passage, and where the section's own heading begins in it.

    The path of headings says what a passage is about. Its neighbours share the upper ones, so
    tokens are kept from the own heading on.
    """
    *above, own = json.loads(headings)
    path = "".join(f"{heading} > " for heading in above)
    return f"{path}{own}\n{passage}", len(path)


def _find_vectors(
    vectors: sqlite3.Connection,
    passages: Sequence[_Passage],
    index: sqlite3.Connection,
    ctx: Context,
    embedder: Embedder,
) -> int:
    """Bring the vectors of all passages into `vectors`; return how many were embedded for it."""
    import numpy as np

    wanted = {passage.key: passage for passage in passages}
    if ctx.previous is not None:
        taken = _vectors_of(ctx.previous.folder, wanted)
        vectors.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", taken)
        vectors.commit()
    for (key,) in vectors.execute("SELECT key FROM vectors"):
        wanted.pop(key, None)

    # Passages of about the same length waste the least when they are embedded together.
    missing = sorted(wanted.values(), key=lambda p: p.stop - p.start)
    for first in range(0, len(missing), BATCH):
        batch = missing[first : first + BATCH]
        texts, starts = zip(*(_text_of(index, passage) for passage in batch), strict=True)
        found, tokens = embedder.embed_tokens(texts, starts=starts)
        if not np.isfinite(found).all():
            raise InhouseError(
                "The embedder gives numbers that are not finite.", "Build or pull it anew."
            )
        kept = (vector.tobytes() for vector in found.astype(VECTOR))
        rows = zip((p.key for p in batch), kept, map(condense, tokens), strict=True)
        vectors.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)
        vectors.commit()
        ctx.progress(first + len(batch), len(missing), "passages")
    return len(missing)


def _vectors_of(
    folder: Path, wanted: Mapping[bytes, object]
) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield the keys and vectors, of passage and tokens, in `folder` that are wanted."""
    if not (folder / FILE).exists():
        return
    with closing(open_index(folder)) as previous:
        if index_format(previous) == FORMAT:
            for number, key, vector in previous.execute("SELECT number, key, vector FROM passages"):
                if key in wanted:
                    find = "SELECT vectors FROM tokens WHERE passage = ?"
                    yield key, vector, *previous.execute(find, (number,)).fetchone()


def _text_of(index: sqlite3.Connection, passage: _Passage) -> tuple[str, int]:
    headings, text = index.execute(
        "SELECT headings, text FROM sections WHERE number = ?", (passage.section,)
    ).fetchone()
    return _embedded_text(headings, text[passage.start : passage.stop])


def _write_passages(
    index: sqlite3.Connection, passages: Sequence[_Passage], vectors: sqlite3.Connection
) -> None:
    find = "SELECT vector FROM vectors WHERE key = ?"
    index.executemany(
        "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)",
        (
            (n, p.section, p.start, p.stop, p.key, *vectors.execute(find, (p.key,)).fetchone())
            for n, p in enumerate(passages)
        ),
    )
    find = "SELECT tokens FROM vectors WHERE key = ?"
    index.executemany(
        "INSERT INTO tokens VALUES (?, ?)",
        ((n, *vectors.execute(find, (p.key,)).fetchone()) for n, p in enumerate(passages)),
    )


def _write_terms(index: sqlite3.Connection) -> None:
    """Write the inverted index, and the length of every section in terms."""
    import numpy as np

    (sections,) = index.execute("SELECT count(*) FROM sections").fetchone()
    lengths = np.zeros(sections, NUMBER)
    rows = index.execute("SELECT number, headings, text FROM sections ORDER BY number")
    texts = ((number, " ".join(json.loads(headings)), text) for number, headings, text in rows)
    for term, found in postings(texts):
        numbers, times = np.array(found, NUMBER).T
        lengths[numbers] += times
        index.execute(
            "INSERT INTO terms VALUES (?, ?, ?)", (term, numbers.tobytes(), times.tobytes())
        )
    index.execute("INSERT INTO meta VALUES ('lengths', ?)", (lengths.tobytes(),))
