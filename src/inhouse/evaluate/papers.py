"""What suites of models ask: texts, questions with answers, choices, and examples with labels.

Here lines are read, or drawn from a data set; asking a model is done in `examining`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import orjson

from inhouse.catalog import rows as table
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.nouns import Message
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.evaluate.conversations import turns_of
from inhouse.evaluate.rows import FILE, rows

Kind = Literal["perplexity", "questions", "choice", "classes", "needle"]
DATA = "data"
JOIN = "\n\n"
LONGEST = 4000
"""So many characters of a document are read: as many for each model, whatever its tokens are."""
DRAWN: Mapping[Kind, tuple[str, tuple[str, ...]]] = {
    "perplexity": ("documents", ("id", "text")),
    "questions": ("chats", ("id", "messages")),
    "classes": ("examples", ("id", "text", "label")),
    "needle": ("documents", ("id", "text")),
}
"""From which rows a kind may be drawn, and what it needs of them."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text of which each token is to be told from those before."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation that ends with a question, and the answers that are right."""

    messages: tuple[Message, ...]
    answers: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A text, how it may go on, and which of these is right."""

    text: str
    choices: tuple[str, ...]
    right: int
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and its label."""

    text: str
    label: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Hidden(Choice):
    """A sentence in a text of so many tokens, behind a share `depth` of it, and what it says."""

    length: int = 0
    depth: float = 0.0


Item = Text | Question | Choice | Labelled


@dataclass(frozen=True, slots=True)
class Draw:
    """Which kind of questions to make of a data set, and how many at most."""

    kind: Kind
    most: int


def read_items(folder: Path, kind: Kind, *, name: str = "") -> list[Item]:
    """Read what a suite asks; `name` is what to call the file in errors.

    Raises:
        BadInput: a line is none of this kind, or there is none.
    """
    read = READERS[kind]
    found = [read(row, place) for place, row in rows(folder, name)]
    if kind == "classes" and len({it.label for it in found if isinstance(it, Labelled)}) < 2:
        raise BadInput(
            f"{name or folder} has one label alone.", "Write texts with at least two labels."
        )
    return found


def draw(spec: Draw, inputs: Inputs, ctx: Context) -> Result:
    """Keep some rows of the input ``data`` as questions; which ones hangs on their ids alone.

    Raises:
        BadInput: it holds rows of another kind.
    """
    source = inputs[DATA]
    found = drawn(source, spec.kind)[: spec.most]
    lines = [line for row in found if (line := _line(spec.kind, row))]
    (ctx.work / FILE).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    items = read_items(ctx.work, spec.kind, name=source.artifact.ref.path)
    return Result({"kind": spec.kind, "questions": len(items), "kinds": []})


STAGE = Stage("evaluate.draw", 1, draw)


def drawn(source: Input, kind: Kind) -> list[dict[str, Any]]:
    """Return the rows of a data set in an order of chance, which hangs on their ids alone.

    Raises:
        BadInput: they are not of the kind that such a suite is drawn from.
    """
    wanted, columns = DRAWN[kind]
    held = table.kind_of(source.folder)
    if held != wanted:
        raise BadInput(
            f"{source.artifact.ref} holds {held}, and a suite of the kind {kind} wants {wanted}.",
            f"Name a data set of {wanted} under 'on'.",
        )
    return sorted(table.read_rows(source.folder, columns), key=_chance)


def _chance(row: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(row["id"].encode()).digest()


def _line(kind: Kind, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a row as a line of a suite; None for a chat that has no question and answer."""
    if kind == "perplexity":
        return {"text": row["text"][:LONGEST]} if row["text"].strip() else None
    if kind == "classes":
        return {"text": row["text"], "label": row["label"]}
    turns = [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
    plain = all(turn["role"] in ("system", "user", "assistant") for turn in turns)
    ends = [turn["role"] for turn in turns[-2:]] == ["user", "assistant"]
    if not (plain and ends and all(turn["content"].strip() for turn in turns)):
        return None
    return {"messages": turns[:-1], "answers": [turns[-1]["content"]]}


def _text(row: Mapping[str, Any], place: str) -> Text:
    return Text(_said(row, "text", place), _kind(row))


def _question(row: Mapping[str, Any], place: str) -> Question:
    answers = _list(row, "answers", place)
    return Question(tuple(turns_of(row, place)), answers, _kind(row))


def _choice(row: Mapping[str, Any], place: str) -> Choice:
    choices = _list(row, "choices", place)
    given = row.get("answer")
    right = choices.index(given) if given in choices else given
    known = isinstance(right, int) and not isinstance(right, bool) and 0 <= right < len(choices)
    if not known or len(set(choices)) < max(2, len(choices)):
        raise BadInput(
            f"{place}: 'answer' is none of the choices, or two of these are the same.",
            "Write the right choice as it stands there, or its place, counted from 0.",
        )
    field = "text" if "text" in row else "query"
    text = _said(row, field, place)
    asked = text if field == "text" else f"Question: {text}\nAnswer:"
    return Choice(asked, choices, cast(int, right), _kind(row))


def _hidden(row: Mapping[str, Any], place: str) -> Hidden:
    plain = _choice(row, place)
    return Hidden(plain.text, plain.choices, plain.right, plain.kind, row["length"], row["depth"])


def _labelled(row: Mapping[str, Any], place: str) -> Labelled:
    return Labelled(_said(row, "text", place), _said(row, "label", place), _kind(row))


READERS: Mapping[Kind, Callable[[Mapping[str, Any], str], Item]] = {
    "perplexity": _text,
    "questions": _question,
    "choice": _choice,
    "classes": _labelled,
    "needle": _hidden,
}


def _kind(row: Mapping[str, Any]) -> str:
    return str(row.get("kind") or "")


def _said(row: Mapping[str, Any], field: str, place: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{place}: '{field}' is missing or no text.", "Write it.")
    return value


def _list(row: Mapping[str, Any], field: str, place: str) -> tuple[str, ...]:
    value = row.get(field)
    texts = value if isinstance(value, list) else []
    if not texts or not all(isinstance(each, str) and each.strip() for each in texts):
        raise BadInput(
            f"{place}: '{field}' is missing or no list of texts.", f'Write "{field}": ["…"].'
        )
    return tuple(texts)


def asked_in(item: Item) -> str:
    """Return what an item asks, for a report."""
    match item:
        case Question():
            return item.messages[-1].content
        case Hidden():
            return item.text.rpartition(JOIN)[2]
    return item.text


def answers_of(item: Item) -> Sequence[str]:
    """Return what would be right, for a report."""
    match item:
        case Question():
            return item.answers
        case Choice():
            return (item.choices[item.right],)
        case Labelled():
            return (item.label,)
    return ()


def labels_of(items: Sequence[Item]) -> Iterator[str]:
    """Yield the labels of examples, each once, in order."""
    yield from sorted({item.label for item in items if isinstance(item, Labelled)})
