"""Asks a model to make the last question of a conversation stand alone, for the search.

Only a model that can do it should be asked. What it says is used if it looks like that question;
otherwise the search does without, see `inhouse.core.protocols.Retriever`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

from inhouse.core.errors import TooLong
from inhouse.core.nouns import Message
from inhouse.core.protocols import LanguageModel, Piece, Sampling, Usage
from inhouse.serve.gate import words

TASK = (
    "Rewrite the last question of the user as one question that can be understood without the "
    "conversation. Keep its meaning and its language, and add nothing that was not said. Do not "
    "answer it. Write the question and nothing else."
)
SAMPLING = Sampling(max_tokens=96)
TURNS, TURN_LETTERS = 8, 600
LONGEST = 300
KNOWN = 0.5
REFUSES = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable)|i (?:cannot|can't)|as an ai)\b", re.IGNORECASE
)


async def rewritten(model: LanguageModel, messages: Sequence[Message]) -> tuple[str, Usage]:
    """Return the last question made to stand alone, and the tokens that it took.

    The question is empty if there is nothing to complete it from, or if the model said nothing,
    too much, a refusal, or something else.
    """
    turns = [m for m in messages if m.role in ("user", "assistant")][-TURNS:]
    if len(turns) < 2:
        return "", Usage(0, 0)
    said = "\n".join(f"{m.role}: {m.content.strip()[-TURN_LETTERS:]}" for m in turns)
    asked = (Message("system", TASK), Message("user", f"{said}\n\nThe last question, rewritten:"))
    text, last = "", Piece("", "stop")
    stream = cast("AsyncGenerator[Piece, None]", model.chat(asked, SAMPLING))
    try:
        async with aclosing(stream) as pieces:
            async for last in pieces:
                text += last.text
    except TooLong:
        text = ""
    found = " ".join(text.split()).strip("\"'“”")
    usable = last.finish == "stop" and _usable(found, said)
    return found if usable else "", last.usage or Usage(0, 0)


def _usable(found: str, said: str) -> bool:
    """Say whether a text can be the question of a conversation in other words."""
    told = words(found)
    return (
        0 < len(found) <= LONGEST
        and not REFUSES.search(found)
        and len(told & words(said)) >= KNOWN * max(len(told), 1)
    )
