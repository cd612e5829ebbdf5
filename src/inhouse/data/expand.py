"""The stage that makes a small data set larger: a language model writes more like it.

What it wrote goes through a sieve, and what the new examples are worth is measured. How the model
is asked is the business of `writing`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from inhouse.catalog.rows import RowWriter, kind_of, read_rows, write_rows
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.data.account import DROPPED, dropped_schema
from inhouse.data.asked import JOURNAL, Asked, Writer
from inhouse.data.leaves import texts_of
from inhouse.data.messages import turn
from inhouse.data.sieve import Rejected, Sieve, counted
from inhouse.data.typed import size
from inhouse.data.writing import WANTED, answering, request, texts_in, words

if TYPE_CHECKING:
    from inhouse.models.classifier import TextClassifier

TRIES = 4
"""So many times as many texts as are wanted are asked for before a class is given up."""
AT_LEAST = 2
HELD = 5
"""One in so many of gold is held out to measure with, where gold is not split."""
WRITTEN = "written"

Row = dict[str, Any]
Opened = Callable[[Inputs], Writer]
"""Opens the language model among the inputs of the stage."""


@dataclass(frozen=True, slots=True)
class Expand:
    """How many rows there shall be in the end, of each class or of the task; gold included."""

    per: Literal["class", "task"]
    to: int


def stage(opened: Opened) -> Stage:
    """Return the stage; its input ``gold`` is what to go by.

    Inputs whose role begins with ``apart`` are what nothing new may copy, and ``embedder``, if it
    is there, makes the vectors of the check of labels. It raises `BadInput` if gold is of another
    kind than it can write.
    """

    def run(spec: Expand, inputs: Inputs, ctx: Context) -> Result:
        gold = _Gold.of(spec, inputs)
        writing = _Writing(spec, gold, inputs, ctx)
        writer = opened(inputs)
        asked = asyncio.run(_written(writing, writer, ctx))
        return writing.result(asked)

    return Stage("data.expand", 2, run)


async def _written(writing: _Writing, writer: Writer, ctx: Context) -> Mapping[str, Any]:
    asked = Asked(writer, ctx.work)
    try:
        while requests := writing.requests():
            writing.take(await asked.all(requests))
            if writing.kind == "chats":
                await writing.answer(asked)
        return asked.told()
    finally:
        await writer.model.close()


@dataclass(frozen=True, slots=True)
class _Gold:
    """The rows to go by, those to measure with, and all others, which nothing may copy."""

    kind: Literal["examples", "chats"]
    taught: Sequence[Row]
    held: Sequence[Row]
    others: Sequence[Row]
    part: str = ""

    @classmethod
    def of(cls, spec: Expand, inputs: Inputs) -> _Gold:
        folder, ref = inputs["gold"].folder, inputs["gold"].artifact.ref
        kind = kind_of(folder)
        if kind not in ("examples", "chats") or (kind == "examples") != (spec.per == "class"):
            wanted = "chats" if spec.per == "task" else "examples with labels"
            raise BadInput(
                f"{ref} holds {kind}, and 'per: {spec.per}' wants {wanted}.",
                f"Name a data set of {wanted}, or write per: class for examples, task for chats.",
            )
        rows = list(read_rows(folder))
        if any(row["part"] for row in rows):
            held = next((p for p in ("dev", "test") if any(r["part"] == p for r in rows)), "")
            by = {part: [r for r in rows if r["part"] == part] for part in ("train", held)}
            others = [row for row in rows if row["part"] not in by]
            return cls(kind, by["train"], by[held], others, "train")
        held_ids = _held(rows) if kind == "examples" else set()
        taught = [row for row in rows if row["id"] not in held_ids]
        return cls(kind, taught, [row for row in rows if row["id"] in held_ids], ())

    @property
    def rows(self) -> list[Row]:
        """All rows."""
        return [*self.taught, *self.held, *self.others]

    @property
    def counted(self) -> Sequence[Row]:
        """The rows of which there shall be more."""
        return self.taught if self.part else self.rows


def _held(rows: Sequence[Row]) -> set[str]:
    """Return the ids of up to a fifth of each class, by chance that is the same each time.

    Nothing that has a near-copy is among them: who is shown the copy has seen it.
    """
    from inhouse.data.letter_runs import buckets, groups

    found = groups([buckets([row["text"] for row in rows])]).tolist()
    alike, sizes = Counter(found), Counter(row["label"] for row in rows)
    alone: dict[str, list[tuple[str, str]]] = {label: [] for label in sizes}
    for row, group in zip(rows, found, strict=True):
        if alike[group] == 1:
            key = sha256(row["text"].encode()).hexdigest()
            alone[row["label"]].append((key, row["id"]))
    return {id for label in alone for _, id in sorted(alone[label])[: sizes[label] // HELD]}


class _Writing:
    """What is there of each class, what was rejected, and what to ask for next."""

    def __init__(self, spec: Expand, gold: _Gold, inputs: Inputs, ctx: Context) -> None:
        self.kind = gold.kind
        self._spec, self._gold, self._ctx = spec, gold, ctx
        self._known = _by_label(gold.taught)
        self._checker = _checker(gold, inputs)
        self._sieve = Sieve(
            [(row["id"], _text(row), row.get("label", "")) for row in gold.taught],
            [*((row["id"], _text(row)) for row in (*gold.held, *gold.others)), *_apart(inputs)],
            self._checker,
        )
        self._have = Counter(row.get("label", "") for row in gold.counted)
        self._most = {
            label: -(-TRIES * missing // WANTED) + AT_LEAST
            for label in self._known
            if (missing := spec.to - self._have[label]) > 0
        }
        self._asked: Counter[str] = Counter()
        self._asking: list[str] = []
        self._waiting: list[Row] = []
        self._rejected: list[tuple[Row, Rejected]] = []
        self._new: list[Row] = []

    def requests(self) -> list[Any]:
        """Return what to ask next: once for each class that has not enough."""
        done, missing = len(self._new), self._missing()
        self._ctx.progress(done, done + missing, self.kind)
        self._asking = [
            label
            for label, most in self._most.items()
            if self._have[label] < self._spec.to and self._asked[label] < most
        ]
        found = [
            request(label, self._asked[label], self._known[label], self._ctx.seed)
            for label in self._asking
        ]
        self._asked.update(self._asking)
        return found

    def take(self, answers: Sequence[Any]) -> None:
        """Sift what was answered."""
        for label, answer in zip(self._asking, answers, strict=True):
            for place, text in enumerate(texts_in(answer.text, cut=answer.cut), 1):
                row = self._row(label, f"{self._asked[label]}.{place}", text)
                if self._have[label] >= self._spec.to:
                    why: Rejected | None = Rejected("enough", limit=str(self._spec.to))
                else:
                    why = self._sieve.judge(row["id"], text, label)
                if why:
                    self._rejected.append((row, why))
                    continue
                self._have[label] += 1
                (self._new if self.kind == "examples" else self._waiting).append(row)

    async def answer(self, asked: Asked) -> None:
        """Have the requests answered that were kept; one without an answer goes after all."""
        like = [row["messages"][-1]["content"] for row in self._gold.taught]
        texts = [_text(row) for row in self._waiting]
        answers = await asked.all([answering(text, like, self._ctx.seed) for text in texts])
        for row, answer in zip(self._waiting, answers, strict=True):
            if answer.text.strip() and not answer.cut:
                row["messages"].append(turn("assistant", answer.text.strip()))
                self._new.append(row)
            else:
                self._have[""] -= 1
                self._rejected.append((row, Rejected("no whole answer")))
        self._waiting = []

    def result(self, asked: Mapping[str, Any]) -> Result:
        """Write gold and what is new, and what was rejected; return the account."""
        rows = [*self._gold.rows, *self._new]
        write_rows(self._ctx.work, self.kind, rows)
        with RowWriter(self._ctx.work / DROPPED, dropped_schema(self.kind)) as out:
            out.write_all(_noted(row, why) for row, why in self._rejected)
        rejected = counted(why for _, why in self._rejected)
        before, after = sum(map(size, self._gold.rows)), sum(map(size, rows))
        funnel = [
            {"step": "", "rows": len(self._gold.rows), "characters": before},
            {"step": "expand", "rows": len(rows), "characters": after, "dropped": rejected},
        ]
        plain = [{"changed": 0, "dropped": {}, "flagged": {}} | step for step in funnel]
        return Result(
            {
                self.kind: len(rows),
                "written": len(self._new),
                "rejected": rejected,
                "missing": self._missing(),
                "asked": asked,
                "gain": self._gain(),
                "funnel": plain,
            },
            (JOURNAL,),
        )

    def _missing(self) -> int:
        """Return how many rows are still too few, of all classes."""
        return sum(max(0, self._spec.to - self._have[label]) for label in self._known)

    def _gain(self) -> Mapping[str, Any]:
        from inhouse.data.gain import measured

        if self._checker is None:
            return {}
        if not self._gold.held:
            own = (
                "has no part dev or test" if self._gold.part else "is too small, or full of copies"
            )
            return {"not measured": f"gold {own}"}
        if not self._new:
            return {"not measured": "nothing that was written is kept"}
        pairs = [
            [(row["text"], row["label"]) for row in rows]
            for rows in (self._gold.taught, self._new, self._gold.held)
        ]
        return measured(self._checker, *pairs)

    def _row(self, label: str, place: str, text: str) -> Row:
        name = f"{list(self._known).index(label) + 1} {words(label)}".strip().replace(" ", "-")
        row: Row = {"id": f"{WRITTEN}/{name}/{place}", "source": WRITTEN, "part": self._gold.part}
        if self.kind == "examples":
            return row | {"text": text, "label": label, "scores": []}
        return row | {"messages": [turn("user", text)], "tools": ""}


def _noted(row: Row, why: Rejected) -> Row:
    noted = {"rule": why.rule, "value": why.value, "limit": why.limit, "kept": why.copied}
    return row | noted | {"step": 1, "name": "expand"}


def _by_label(rows: Sequence[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.get("label", ""), []).append(_text(row))
    return dict(sorted(found.items()))


def _text(row: Row) -> str:
    """Return what an example says, or what is asked first in a chat."""
    if "messages" not in row:
        return str(row["text"])
    asked = (one["content"] for one in row["messages"] if one["role"] == "user")
    return next(asked, "")


def _apart(inputs: Inputs) -> list[tuple[str, str]]:
    roles = sorted(role for role in inputs if role.startswith("apart"))
    return [pair for role in roles for pair in texts_of(inputs[role].folder)]


def _checker(gold: _Gold, inputs: Inputs) -> TextClassifier | None:
    """Return the classifier that checks labels, taught with gold; None where there are none."""
    if gold.kind != "examples":
        return None
    from inhouse.data.vectors import vectoriser
    from inhouse.models.classifier import train

    vectorise = vectoriser(inputs.get("embedder"))
    texts = [row["text"] for row in gold.taught]
    return train(vectorise(texts), [row["label"] for row in gold.taught], vectorise)
