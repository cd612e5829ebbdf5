"""Token files: the tokens of many documents in one flat file that is mapped, never read whole.

Training reads windows of a fixed length from it, straight across documents. How texts become
tokens is the business of the stage that writes such a folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from inhouse.core.errors import BadInput

TOKENS, LOSS, DOCUMENTS, ABOUT = "tokens.bin", "loss.bin", "documents.parquet", "tokens.json"
SMALL = np.dtype("<u2")
LARGE = np.dtype("<u4")
GROUP = 10_000
COLUMNS = {"id": pa.string(), "digest": pa.string(), "tokens": pa.int64(), "verdict": pa.int8()}
SCHEMA = pa.schema(COLUMNS)


@dataclass(frozen=True, slots=True)
class About:
    """What a folder of tokens is: whose numbers they are, and how many.

    Args:
        tokenizer: digest of the tokenizer that gave them.
        vocabulary: how many different tokens it has; up to 65,536 take two bytes each, else four.
        template: digest of the chat template that texts were written with, empty if there is none.
        tokens: how many there are.
        documents: of how many documents.
        learnt: how many of them a model is to learn to say; fewer than `tokens` for chats.
        preferences: whether each document is a prompt with answers that people have judged.
        fingerprint: sha256 of the tokens and of what is learnt of them.
    """

    tokenizer: str
    vocabulary: int
    template: str = ""
    tokens: int = 0
    documents: int = 0
    learnt: int = 0
    fingerprint: str = ""
    preferences: bool = False

    @property
    def dtype(self) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
        """How a token is kept."""
        return SMALL if self.vocabulary <= np.iinfo(SMALL).max + 1 else LARGE


@dataclass(frozen=True, slots=True)
class Tokenised:
    """A document as tokens, int [n]; `loss` says of each whether it is learnt, None if all are.

    `digest` is that of its text, so that an unchanged document is not tokenised again. `verdict`
    is 1 if its only answer was called good, -1 if it was called bad, else 0.
    """

    id: str
    digest: str
    tokens: NDArray[np.integer]
    loss: NDArray[np.bool_] | None = None
    verdict: int = 0


def write_tokens(folder: Path, about: About, documents: Iterable[Tokenised]) -> About:
    """Write documents to `folder` one after another; return `about` with the counts.

    Memory stays bounded by the largest document. A file of what is learnt is there only if some
    document leaves something out.

    Raises:
        BadInput: a token is outside of the vocabulary, or nothing is there to learn.
    """
    found = replace(about, tokens=0, documents=0, learnt=0)
    groups, hashed = _Groups(folder / DOCUMENTS), hashlib.sha256()
    with (folder / TOKENS).open("wb") as out, groups, (folder / LOSS).open("wb") as loss:
        for document in documents:
            ids = np.asarray(document.tokens)
            if len(ids) and not 0 <= ids.min() <= ids.max() < about.vocabulary:
                raise BadInput(
                    f"{document.id} has tokens outside of the vocabulary of {about.vocabulary}.",
                    "Use the tokenizer of the model that is trained.",
                )
            learnt = np.ones(len(ids), np.bool_) if document.loss is None else document.loss
            for file, part in ((out, ids.astype(about.dtype)), (loss, learnt)):
                file.write(part.tobytes())
                hashed.update(part.tobytes())
            groups.add(document.id, document.digest, len(ids), document.verdict)
            found = replace(
                found,
                tokens=found.tokens + len(ids),
                documents=found.documents + 1,
                learnt=found.learnt + int(learnt.sum()),
            )
    if not found.learnt:
        raise BadInput(
            "There is nothing to learn: every token is masked, or there are none.",
            "Look at the documents, and whether the template marks what the assistant says.",
        )
    if found.learnt == found.tokens:
        (folder / LOSS).unlink()
    found = replace(found, fingerprint=hashed.hexdigest())
    (folder / ABOUT).write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


class _Groups:
    """The table of documents, written group by group."""

    def __init__(self, file: Path) -> None:
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")
        self._rows: list[tuple[str, str, int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        self._writer.close()

    def add(self, id: str, digest: str, tokens: int, verdict: int) -> None:
        self._rows.append((id, digest, tokens, verdict))
        if len(self._rows) == GROUP:
            self._write()

    def _write(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ((),) * len(SCHEMA)
        self._writer.write_batch(pa.record_batch(list(map(list, columns)), schema=SCHEMA))
        self._rows.clear()


class Tokens:
    """The tokens of a folder, mapped into memory.

    Raises:
        BadInput: the folder holds no tokens, or fewer than it says.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self.about = About(**json.loads((folder / ABOUT).read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise BadInput(f"{folder} holds no tokens.", "Make them first.") from error
        self.ids = np.asarray(np.memmap(folder / TOKENS, self.about.dtype, "r"))
        has_loss = (folder / LOSS).is_file()
        self.loss = np.asarray(np.memmap(folder / LOSS, np.bool_, "r")) if has_loss else None
        if len(self.ids) != self.about.tokens:
            raise BadInput(
                f"{folder / TOKENS} has {len(self.ids)} tokens, not {self.about.tokens}.",
                "Make it again.",
            )
        self._table = folder / DOCUMENTS
        sizes = pq.read_table(self._table, columns=["tokens"])["tokens"].to_numpy()
        self.ends: NDArray[np.int64] = np.cumsum(sizes)
        self.verdicts = np.zeros(len(self.ends), np.int8)
        if self.about.preferences:
            self.verdicts = pq.read_table(self._table, columns=["verdict"])["verdict"].to_numpy()

    def document(self, place: int) -> tuple[NDArray[np.integer], NDArray[np.bool_] | None]:
        """Return the tokens of a document, and which are learnt; None if all of the folder are."""
        own = slice(int(self.ends[place - 1]) if place else 0, int(self.ends[place]))
        return self.ids[own], None if self.loss is None else self.loss[own]

    def windows(self, length: int) -> int:
        """Return how many whole windows of `length` tokens there are."""
        return len(self.ids) // length

    def documents_in(self, window: int, length: int) -> range:
        """Return the documents that a window lies in, by their place in the folder."""
        first, last = self._spans(np.array([window]), length)
        return range(int(first[0]), int(last[0]) + 1)

    def covered(self, windows: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Return the documents that have tokens in any of the windows, int64 [d], in order."""
        first, last = self._spans(windows, length)
        opened = np.bincount(first, minlength=len(self.ends) + 1)
        closed = np.bincount(last + 1, minlength=len(self.ends) + 1)
        sizes = np.diff(self.ends, prepend=0)
        return np.flatnonzero((np.cumsum(opened - closed)[:-1] > 0) & (sizes > 0))

    def _spans(
        self, windows: NDArray[np.int64], length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = np.searchsorted(self.ends, windows * length, "right")
        last = np.searchsorted(self.ends, (windows + 1) * length - 1, "right")
        return first, last

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield id and digest of each document, in order."""
        with pq.ParquetFile(self._table) as table:
            for batch in table.iter_batches(columns=["id", "digest"]):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
