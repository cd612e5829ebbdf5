"""Conversations as people keep them, in one form: OpenAI's messages, ShareGPT's, and plain text.

A message is ``{role, content, calls, answers}``; the roles are OpenAI's. Which column holds what is
the business of `columns`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from inhouse.core.errors import BadInput

Turn = dict[str, Any]

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_call": "assistant",
}
CALL = "function_call"
# How conversations in one text are written: https://github.com/anthropics/hh-rlhf
SPOKEN = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


def turn(role: str, content: str) -> Turn:
    """Return a message without calls of tools."""
    return {"role": role, "content": content, "calls": [], "answers": ""}


def conversation(found: object, name: str) -> list[Turn]:
    """Return the messages that a column holds: a list, the same as JSON, or one text.

    One text is a conversation if it begins with ``Human:``; else it is what the assistant says.

    Args:
        found: what the column holds.
        name: what the column is called, for whoever has to mend it.

    Raises:
        BadInput: it is neither, or one of the messages is none.
    """
    if isinstance(found, str) and found.lstrip().startswith("[{"):
        try:
            found = orjson.loads(found)
        except ValueError as error:
            raise BadInput(
                f"Its {name!r} begins like a list and is none: {error}.", "Mend it."
            ) from error
    if isinstance(found, str):
        return _spoken(found, name)
    if not isinstance(found, Sequence) or not found:
        raise (
            _missing(name)
            if not found
            else BadInput(
                f"Its {name!r} is neither a list of messages nor text.",
                'Write [{"role": "user", "content": "…"}, …].',
            )
        )
    return [_message(one, f"Message {number} of {name!r}") for number, one in enumerate(found, 1)]


def text_of(found: object, name: str) -> str:
    """Return the text that a column holds.

    Raises:
        BadInput: it holds none.
    """
    if found is None or (isinstance(found, str) and not found.strip()):
        raise _missing(name)
    if not isinstance(found, str):
        raise BadInput(f"Its {name!r} is not text.", "Put it between quotes.")
    return found


def _missing(name: str) -> BadInput:
    return BadInput(f"It has no {name!r}.", "Write it, or take the row out.")


def _message(found: object, place: str) -> Turn:
    if not isinstance(found, Mapping):
        raise BadInput(f"{place} is no object.", 'Write {"role": "user", "content": "…"}.')
    said = found.get("role") or found.get("from")
    role = ROLES.get(said.strip().lower()) if isinstance(said, str) else None
    if role is None:
        known = ", ".join(ROLES)
        raise BadInput(f"{place} is of the unknown role {said!r}.", f"Known are {known}.")
    content = _content(found.get("content", found.get("value")), place)
    if said == CALL:
        calls, content = [_called(_json(content, place), place)], ""
    else:
        wanted = found.get("tool_calls") or found.get("calls") or ()
        calls = [_call(one, place) for one in wanted]
        if not calls and found.get(CALL):
            calls = [_called(found[CALL], place)]
    if not content.strip() and not calls and role != "tool":
        raise BadInput(f"{place} says nothing.", "Write its content, or take it out.")
    answers = found.get("tool_call_id") or found.get("answers") or ""
    return {"role": role, "content": content, "calls": calls, "answers": str(answers)}


def _content(found: object, place: str) -> str:
    """Return text; of a list of parts, those that are text, if all are."""
    if found is None:
        return ""
    if isinstance(found, Sequence) and not isinstance(found, str):
        parts = [part.get("text") if isinstance(part, Mapping) else None for part in found]
        if all(isinstance(part, str) for part in parts):
            return "\n".join(part for part in parts if part)
        raise BadInput(f"{place} holds something else than text.", "Take pictures and sounds out.")
    if not isinstance(found, str):
        raise BadInput(f"{place} holds {type(found).__name__}, no text.", "Put it between quotes.")
    return found


def _call(found: object, place: str) -> dict[str, str]:
    whole = found if isinstance(found, Mapping) else {}
    call = _called(whole.get("function") or whole, place)
    return call | {"id": str(whole.get("id") or "")}


def _called(found: object, place: str) -> dict[str, str]:
    function = found if isinstance(found, Mapping) else {}
    name, arguments = function.get("name"), function.get("arguments", "{}")
    if not isinstance(name, str) or not name:
        raise BadInput(f"{place} calls a tool without a name.", "Name it.")
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": "", "name": name, "arguments": written}


def _json(text: str, place: str) -> object:
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise BadInput(f"{place} is a call that is not JSON: {error}.", "Mend it.") from error


def _spoken(text: str, name: str) -> list[Turn]:
    parts = SPOKEN.split(text.strip())
    if len(parts) == 1 or parts[0].strip():
        return [turn("assistant", text_of(text, name))]
    turns = zip(parts[1::2], parts[2::2], strict=True)
    return [turn(ROLES[who.lower()], said.strip()) for who, said in turns]
