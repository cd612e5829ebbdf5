"""The stage that makes tokens of texts, for the model that is to learn from them.

Only what has changed is tokenised again. How conversations are written is `spoken`'s business, and
which of them share a row that of `packing`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tokenizers import Tokenizer

from inhouse.catalog.rows import Kind, RowReader, read_rows
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.chat_format import (
    ChatFormat,
    load_tokenizer,
    plain_tokenizer,
    special_texts,
)
from inhouse.models.spelling import spelling_of
from inhouse.models.weight_files import read_json
from inhouse.train.mosaic import INDEX, MosaicTokens
from inhouse.train.preferred import Preferred
from inhouse.train.spoken import Skipped, Spoken, encode, spoken
from inhouse.train.tokens import About, Tokenised, Tokens, write_tokens

DATA, MODEL = "data", "model"
# What comes between documents when models are first trained; the end of a turn is another token.
ENDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<｜end▁of▁sentence｜>")
# The day that templates write which write one down: the same data give the same tokens on any day.
DAY = datetime(2025, 1, 1)
BATCH = 4 * 2**20
PART = 2**18
STEP = 100
LINE = re.compile(r"\n(?=\w)")
DIGEST = 16

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tokenise:
    """How texts become tokens: there is nothing to choose."""


def run(spec: Tokenise, inputs: Inputs, ctx: Context) -> Result:
    """Write the tokens of the input `data`, as the input `model` reads them, into ``ctx.work``.

    Raises:
        BadInput: the rows are examples, the model has no chat template or one
            that cannot be learnt by, or nothing is left to learn.
    """
    data, model = inputs[DATA].folder, inputs[MODEL].folder
    if (data / INDEX).is_file():
        return _of_shards(inputs[DATA], model, ctx)
    with RowReader(data) as reader:
        kind, rows = reader.kind, reader.rows
    if kind == "examples":
        raise BadInput(
            f"{inputs[DATA].artifact.ref.path} holds {kind}, and a language model learns from "
            "documents, chats or preferences.",
            "Name a data set of one of these in the mix.",
        )
    writer = _writer(kind, model)
    earlier = _Earlier(writer.about, ctx)
    skipped: Counter[str] = Counter()
    documents = _tokenised(writer, read_rows(data), earlier, skipped)
    found = write_tokens(ctx.work, writer.about, _counted(documents, rows, kind, ctx))
    return Result(
        {
            "kind": "tokens",
            "of": kind,
            "tokens": found.tokens,
            "learnt": found.learnt,
            "documents": found.documents,
            "reused": earlier.used,
            "skipped": dict(sorted(skipped.items())),
            "tokenizer": found.tokenizer,
            "template": found.template,
        }
    )


STAGE = Stage("train.tokenise", 1, run)


def _of_shards(shards: Input, model: Path, ctx: Context) -> Result:
    """Write tokens that were made before, as if they had been made here."""
    try:
        tokens = MosaicTokens(shards.folder, _about(model))
    except BadInput as error:
        what = error.what.replace(str(shards.folder), shards.artifact.ref.path)
        raise BadInput(what, error.fix) from error
    many = len(tokens.ends)

    def documents() -> Iterator[Tokenised]:
        for place in range(many):
            yield Tokenised(str(place), "", tokens.document(place)[0])
            if place % STEP == 0 or place == many - 1:
                ctx.progress(place + 1, many, "samples")

    found = write_tokens(ctx.work, tokens.about, documents())
    told = {"kind": "tokens", "of": "documents", "reused": 0, "skipped": {}}
    counts = {name: getattr(found, name) for name in ("tokens", "learnt", "documents")}
    return Result({**told, **counts, "tokenizer": found.tokenizer, "template": found.template})


def _writer(kind: Kind, model: Path) -> _Writer:
    """Return what makes tokens of rows of a kind."""
    if kind == "documents":
        return _Documents(model)
    form = ChatFormat(model, now=lambda: DAY)
    about = _about(model, form.digest)
    return _Chats(form, about) if kind == "chats" else Preferred(form, about)


class _Writer(Protocol):
    """What makes tokens of rows of one kind."""

    about: About

    def key(self, row: Row) -> str:
        """Return the digest of whatever the tokens of a row depend on."""
        ...

    def size(self, row: Row) -> int:
        """Return how long a row is, about, in characters."""
        ...

    def encode(self, rows: Sequence[Row], skipped: Counter[str]) -> Iterator[Tokenised | None]:
        """Yield the tokens of each row, None of one that is skipped and counted."""
        ...


class _Documents:
    """Texts, behind each of which stands the token that ends a text."""

    def __init__(self, model: Path) -> None:
        self.about = _about(model)
        tokenizer = load_tokenizer(model)
        self._tokenizer = plain_tokenizer(tokenizer)
        end = _end_of_text(model, tokenizer)
        self._end = np.array([end])
        # What the model always reads first, such as a token that begins a text.
        opening = tokenizer.encode("").ids
        self._opening = np.array([token for token in opening if token != end], np.int64)

    def key(self, row: Row) -> str:
        return hashlib.sha256(row["text"].encode()).hexdigest()

    def size(self, row: Row) -> int:
        return len(row["text"])

    def encode(self, rows: Sequence[Row], skipped: Counter[str]) -> Iterator[Tokenised | None]:
        parts = [list(_parts(row["text"])) for row in rows]
        flat = [part for one in parts for part in one]
        encoded = iter(self._tokenizer.encode_batch_fast(flat, add_special_tokens=False))
        for row, own in zip(rows, parts, strict=True):
            ids = [np.array(next(encoded).ids, np.int64) for _ in own]
            if not any(map(len, ids)):
                skipped["empty"] += 1
                yield None
                continue
            whole = np.concatenate([self._opening, *ids, self._end])
            yield Tokenised(row["id"], self.key(row), whole)


class _Chats:
    """Conversations, of which what the assistant says is learnt."""

    def __init__(self, form: ChatFormat, about: About) -> None:
        self.about, self._form = about, form

    def key(self, row: Row) -> str:
        found = json.dumps([row["messages"], row["tools"]], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(found.encode()).hexdigest()

    def size(self, row: Row) -> int:
        return sum(len(turn["content"]) for turn in row["messages"])

    def encode(self, rows: Sequence[Row], skipped: Counter[str]) -> Iterator[Tokenised | None]:
        chats = [self._spoken(row, skipped) for row in rows]
        encoded = encode(self._form, [chat for chat in chats if chat])
        for row, chat in zip(rows, chats, strict=True):
            yield Tokenised(row["id"], self.key(row), *next(encoded)) if chat else None

    def _spoken(self, row: Row, skipped: Counter[str]) -> Spoken | None:
        try:
            return spoken(self._form, row)
        except Skipped as reason:
            skipped[str(reason)] += 1
            return None


class _Earlier:
    """Tokens that were made before with the same tokenizer and template, by what they depend on.

    Another name's are looked through only if there is no version before: to open them is to verify
    all of their bytes.
    """

    def __init__(self, about: About, ctx: Context) -> None:
        self.used = 0
        self._about = about
        self._places: dict[bytes, tuple[Tokens, int]] = {}
        if not self._take(ctx.previous):
            same = (about.tokenizer, about.template)
            for other in ctx.others():
                if (other.summary.get("tokenizer"), other.summary.get("template")) == same:
                    self._take(other.open())

    def find(self, id: str, digest: str) -> Tokenised | None:
        """Return the tokens of a row; None if they were never made."""
        found = self._places.get(bytes.fromhex(digest)[:DIGEST])
        if found is None:
            return None
        self.used += 1
        tokens, place = found
        ids, loss = tokens.document(place)
        return Tokenised(id, digest, ids, loss, int(tokens.verdicts[place]))

    def _take(self, made: Input | None) -> bool:
        """Take in what the stage made; False if it is none that could have the same tokens."""
        if made is None or (made.artifact.recipe, made.artifact.code) != (STAGE.recipe, STAGE.code):
            return False
        tokens = Tokens(made.folder)
        about = tokens.about
        if (about.tokenizer, about.template) != (self._about.tokenizer, self._about.template):
            return False
        for place, (_, digest) in enumerate(tokens.names()):
            self._places[bytes.fromhex(digest)[:DIGEST]] = tokens, place
        return True


def _tokenised(
    writer: _Writer, rows: Iterable[Row], earlier: _Earlier, skipped: Counter[str]
) -> Iterator[Tokenised | None]:
    """Yield the tokens of all rows in order, None of those that are skipped.

    Those that are new are gathered until there are enough of them to keep all processors busy.
    """
    gathered: list[Row | Tokenised] = []
    size = 0
    for row in rows:
        known = earlier.find(row["id"], writer.key(row))
        gathered.append(row if known is None else known)
        size += writer.size(row) if known is None else 4 * len(known.tokens)
        if size >= BATCH:
            yield from _encoded(writer, gathered, skipped)
            gathered, size = [], 0
    yield from _encoded(writer, gathered, skipped)


def _encoded(
    writer: _Writer, gathered: Sequence[Row | Tokenised], skipped: Counter[str]
) -> Iterator[Tokenised | None]:
    new = [row for row in gathered if not isinstance(row, Tokenised)]
    encoded = writer.encode(new, skipped)
    for row in gathered:
        yield row if isinstance(row, Tokenised) else next(encoded)


def _counted(
    found: Iterable[Tokenised | None], rows: int, kind: str, ctx: Context
) -> Iterator[Tokenised]:
    """Yield what is not skipped and say how far it is.

    Raises:
        BadInput: all of it is skipped.
    """
    some = False
    for done, one in enumerate(found, 1):
        if one:
            some = True
            yield one
        if done % STEP == 0 or done == rows:
            ctx.progress(done, rows, kind)
    if not some:
        raise BadInput(
            f"None of the {rows} {kind} can be learnt from.",
            "Documents need text; chats and preferences need an answer, and a template that takes "
            "their roles and tools.",
        )


def _about(model: Path, template: str = "") -> About:
    """Return what all tokens of a model have in common."""
    vocabulary = read_json(model / "config.json").get("vocab_size")
    if not isinstance(vocabulary, int):
        raise BadInput("config.json does not say vocab_size.", "Pull the model again.")
    return About(spelling_of(model).tokenizer, vocabulary, template)


def _end_of_text(model: Path, tokenizer: Tokenizer) -> int:
    """Return the token that stands between documents.

    Raises:
        BadInput: the tokenizer has none.
    """
    special = {token.content: id for id, token in tokenizer.get_added_tokens_decoder().items()}
    named = (*ENDS, special_texts(model).get("eos_token", ""))
    found = next((special[name] for name in named if name in special), None)
    if found is None:
        raise BadInput(
            "The model's tokenizer has no token that ends a text.",
            "Name one as eos_token in its tokenizer_config.json.",
        )
    return found


def _parts(text: str) -> Iterator[str]:
    """Yield a text in parts of which each takes little memory, cut behind line breaks.

    Splitting rules of tokenizers keep a line break apart from the letters that follow it.
    """
    place = 0
    while len(text) - place > PART:
        cut = LINE.search(text, place + PART)
        if cut is None:
            break
        yield text[place : cut.end()]
        place = cut.end()
    yield text[place:]
