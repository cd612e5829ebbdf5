"""From the rows of a file to rows of a kind: documents, chats, examples and preferences.

A row that does not fit is told with its line and what is wrong; the rest goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

from inhouse.catalog.rows import Kind
from inhouse.core.artifact import canonical
from inhouse.core.errors import BadInput
from inhouse.data.columns import Shape
from inhouse.data.messages import Turn, conversation, text_of, turn
from inhouse.data.parts import LeftOut
from inhouse.data.tables import rows

Values = dict[str, Any]
LONGEST_ID = 200
DIGITS = 16
TURNS = ("messages", "prompt", "chosen", "rejected")
GOOD = ("good", "up", "yes", "true", "1", "+1")
BAD = ("bad", "down", "no", "false", "0", "-1")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: `place` goes behind the path of the file and is its own in it.

    It is ``/ID``; where the row has no id of its own, that is the beginning of a sha256 of its
    values, so that it stays when rows come and go around it. `line` counts from 1; in a list of
    JSON and in Parquet it counts rows.
    """

    place: str
    line: int
    values: Values = field(default_factory=dict)


def typed_rows(path: str, file: BinaryIO, shape: Shape, salt: str = "") -> Iterator[Row | LeftOut]:
    """Yield the rows of a file as `shape` has them, and those that do not fit it.

    Nobody who does not know the `salt` can tell from an id what a row said before it was masked.

    Raises:
        BadInput: nothing in the file can be read.
    """
    make = MAKERS[shape.kind]
    ids = _Ids(salt)
    for line, fields in rows(path, file):
        if isinstance(fields, str):
            yield LeftOut(f":{line}", fields)
            continue
        found = shape.of(fields)
        try:
            values = make(_Row(found, dict(shape.columns)))
            yield Row(f"/{ids.take(found.get('id'), values, line)}", line, values)
        except BadInput as unfit:
            yield LeftOut(f":{line}", str(unfit))


def size(row: Mapping[str, Any]) -> int:
    """Return the characters of all texts in a row."""
    turns = (one for name in TURNS for one in row.get(name, ()))
    return len(row.get("text", "")) + sum(len(one["content"]) for one in turns)


class _Ids:
    """The ids of the rows of a file, each its own."""

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self._lines: dict[str, int] = {}
        self._copies: Counter[str] = Counter()

    def take(self, found: object, values: Values, line: int) -> str:
        """Return the id that a row has, or gets.

        Raises:
            BadInput: it is none, or that of another row.
        """
        if found is None or found == "":
            said = self._salt + canonical(values)
            digest = hashlib.sha256(said.encode()).hexdigest()[:DIGITS]
            self._copies[digest] += 1
            copy = self._copies[digest]
            return digest if copy == 1 else f"{digest}-{copy}"
        whole = isinstance(found, int) and not isinstance(found, bool)
        if not (whole or isinstance(found, str)) or len(str(found)) > LONGEST_ID:
            raise BadInput(
                f"Its 'id' is neither a whole number nor text of up to {LONGEST_ID} letters.",
                "Shorten it, or leave the column out.",
            )
        if str(found) in self._lines:
            raise BadInput(
                f"Its id {found!r} is that of line {self._lines[str(found)]}.",
                "Give each row an id of its own.",
            )
        self._lines[str(found)] = line
        return str(found)


def digest_of(values: Values) -> str:
    """Return the sha256 of the values of a row."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Row:
    """The values of a row by role, and what the columns are called, for those who mend them."""

    values: Mapping[str, object]
    names: Mapping[str, str]

    def text(self, role: str) -> str:
        return text_of(self.values[role], self.names[role])

    def maybe(self, role: str) -> str:
        found = self.values.get(role)
        return found if isinstance(found, str) else ""

    def turns(self, role: str) -> list[Turn]:
        return conversation(self.values[role], self.names[role])


def _document(row: _Row) -> Values:
    title, text = " ".join(row.maybe("title").split()), row.text("text")
    return {"title": title, "text": text, "digest": digest_of({"title": title, "text": text})}


def _example(row: _Row) -> Values:
    label, name = row.values["label"], row.names["label"]
    if isinstance(label, bool):
        label = "yes" if label else "no"
    if isinstance(label, int):
        label = str(label)
    return {"text": row.text("text"), "label": text_of(label, name).strip()}


def _chat(row: _Row) -> Values:
    if "messages" in row.names:
        turns, name = row.turns("messages"), row.names["messages"]
        if len(turns) == 1 and isinstance(row.values["messages"], str):
            raise BadInput(
                f"Its {name!r} is one text, and no conversation.",
                'Write [{"role": "user", "content": "…"}, …].',
            )
        if row.maybe("system").strip() and turns[0]["role"] != "system":
            turns.insert(0, turn("system", row.maybe("system")))
    else:
        turns = _pair(row)
    if not any(one["role"] == "assistant" for one in turns):
        raise BadInput("It has no turn of the assistant.", "Add one, or take the row out.")
    return {"messages": turns, "tools": _tools(row)}


def _pair(row: _Row) -> list[Turn]:
    asked = row.text("prompt")
    if row.maybe("context").strip():
        asked = f"{asked}\n\n{row.maybe('context')}"
    before = [turn("system", row.maybe("system"))] if row.maybe("system").strip() else []
    return [*before, turn("user", asked), turn("assistant", row.text("response"))]


def _tools(row: _Row) -> str:
    """Return the tools as JSON, empty if there are none."""
    found, name = row.values.get("tools"), row.names.get("tools", "")
    if not found:
        return ""
    try:
        tools = orjson.loads(found) if isinstance(found, str) else found
    except ValueError as error:
        raise BadInput(f"Its {name!r} is not JSON: {error}.", "Mend it.") from error
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise BadInput(f"Its {name!r} is no list of tools.", "Write [{…}, …].")
    return json.dumps(tools, ensure_ascii=False) if tools else ""


def _preference(row: _Row) -> Values:
    """Return prompt and both answers; without a prompt it is what both conversations share."""
    if "good" in row.names:
        return _thumb(row)
    chosen, rejected = row.turns("chosen"), row.turns("rejected")
    prompt = _prompt(row)
    if prompt and chosen[: len(prompt)] == prompt == rejected[: len(prompt)]:
        chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
    if not prompt:
        shared = _shared(chosen, rejected)
        prompt, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
    if not prompt:
        raise BadInput(
            "It has no prompt, and what is chosen and what is rejected begin with nothing that "
            "they share.",
            "Add a prompt, or take the row out.",
        )
    if chosen == rejected:
        raise BadInput("What is chosen is what is rejected.", "Take the row out.")
    for name, answer in (("chosen", chosen), ("rejected", rejected)):
        if not answer or answer[0]["role"] != "assistant":
            raise BadInput(f"Its {name!r} is no answer of the assistant.", "Take the row out.")
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _thumb(row: _Row) -> Values:
    """Return prompt and answer, as chosen if somebody called it good, else as rejected."""
    prompt, answer = _prompt(row), row.turns("answer")
    name, said = row.names["good"], str(row.values["good"]).strip().lower()
    if not prompt or answer[0]["role"] != "assistant":
        raise BadInput("It has no prompt, or no answer of the assistant.", "Take the row out.")
    if said not in (*GOOD, *BAD):
        raise BadInput(f"Its {name!r} says neither good nor bad.", "Write true or false.")
    good = said in GOOD
    return {
        "prompt": prompt,
        "chosen": answer if good else [],
        "rejected": [] if good else answer,
    }


def _prompt(row: _Row) -> list[Turn]:
    found = row.values.get("prompt")
    if found is None or found in ("", []):
        return []
    turns = row.turns("prompt")
    alone = len(turns) == 1 and isinstance(found, str) and turns[0]["role"] == "assistant"
    return [turn("user", turns[0]["content"])] if alone else turns


def _shared(chosen: list[Turn], rejected: list[Turn]) -> int:
    """Return how many turns two conversations share; their last ones are never among them."""
    most = min(len(chosen), len(rejected)) - 1
    return next((n for n in range(most) if chosen[n] != rejected[n]), max(most, 0))


MAKERS: Mapping[Kind, Callable[[_Row], Values]] = {
    "documents": _document,
    "chats": _chat,
    "examples": _example,
    "preferences": _preference,
}
