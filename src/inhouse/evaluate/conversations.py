"""Questions that a knowledge base can or cannot answer, with the turns before them.

They are read from a suite's file; asking and measuring them is the business of `answerability`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Message, Role
from inhouse.evaluate.rows import rows

Answerability = Literal["ANSWERABLE", "PARTIAL", "UNDERSPECIFIED", "UNANSWERABLE"]

ROLES: Mapping[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "agent": "assistant",
    "system": "system",
    "tool": "tool",
}
TURN = 'Write {"role": "user" or "assistant", "content": …} or {"speaker", "text"} for each turn.'


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the turns before it, and whether the documents hold its answer."""

    query: str
    before: tuple[Message, ...]
    answerability: Answerability
    kind: str


def read_asked(folder: Path, *, name: str = "") -> list[Asked]:
    """Read the questions of a suite; `name` is what to call the file in errors.

    Raises:
        BadInput: a line is not a question, or none can be answered, or all can.
    """
    asked = [_asked(row, place) for place, row in rows(folder, name)]
    for wanted in ("ANSWERABLE", "UNANSWERABLE"):
        if not any(each.answerability == wanted for each in asked):
            raise BadInput(
                f"{name or folder} holds no {wanted.lower()} question.",
                "Write questions of both kinds: one kind alone measures nothing.",
            )
    return asked


def _asked(row: Mapping[str, Any], place: str) -> Asked:
    *before, last = turns_of(row, place)
    answerability = _answerability(row, place)
    kind = row.get("kind") or answerability.lower()
    return Asked(last.content, tuple(before), answerability, str(kind))


def turns_of(row: Mapping[str, Any], place: str) -> Iterator[Message]:
    """Yield the turns of a conversation, of which the last is the question.

    Raises:
        BadInput: there is none, or it ends otherwise.
    """
    field = next((f for f in ("query", "messages", "conversation") if f in row), "query")
    given = row.get(field)
    if field == "query":
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise BadInput(f"{place}: '{field}' is no list of turns.", TURN)
    turns = [_turn(turn) for turn in given]
    if None in turns:
        where = f"'{field}'" if field == "query" else f"'{field}[{turns.index(None)}]'"
        fix = "Write the question." if field == "query" else TURN
        raise BadInput(f"{place}: {where} is missing or no text.", fix)
    said = [turn for turn in turns if turn]
    if said[-1].role != "user":
        raise BadInput(
            f"{place}: the last turn of '{field}' is not the user's.", "End with the question."
        )
    yield from said


def _turn(turn: object) -> Message | None:
    if not isinstance(turn, dict):
        return None
    role = ROLES.get(str(turn.get("role", turn.get("speaker"))))
    text = turn.get("content", turn.get("text"))
    return Message(role, text) if role and isinstance(text, str) and text.strip() else None


def _answerability(row: Mapping[str, Any], place: str) -> Answerability:
    if isinstance(row.get("answerable"), bool):
        return "ANSWERABLE" if row["answerable"] else "UNANSWERABLE"
    known: tuple[Answerability, ...] = get_args(Answerability)
    given = str(row.get("answerability", "")).upper()
    found = next((each for each in known if each == given), None)
    if found is None:
        field = "answerability" if "answerability" in row else "answerable"
        raise BadInput(
            f"{place}: '{field}' is missing or unknown.",
            f'Write "answerable": true or false, or "answerability": {", ".join(known)}.',
        )
    return found
