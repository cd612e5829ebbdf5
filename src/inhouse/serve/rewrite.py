"""Asks a model to make the last question of a conversation stand alone, for the search.

Only a model that can do it should be asked. What it says is used if it is that question in words
of the user: how well an answer is supported is measured for it, and a model that puts an invention
in could find support for it. Otherwise the search does without, see
`inhouse.core.protocols.Retriever`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import cast

from inhouse.core.errors import RequestRefused, TooLong
from inhouse.core.nouns import Message
from inhouse.core.protocols import LanguageModel, Piece, Sampling
from inhouse.serve.prompt import tokens_of
from inhouse.serve.tally import Tally
from inhouse.serve.wording import END, words

TASK = (
    "Rewrite the last question of the user as one question that can be understood without the "
    "conversation. Keep its meaning, its language and its words, and add only words that the user "
    "said. Do not answer it. Write the question, with its question mark, and nothing else."
)
SAMPLING = Sampling(max_tokens=96)
TURNS, TURN_LETTERS = 8, 600
LONGEST = 300
ASKS = ("?", "？", "؟")
DIGITS = re.compile(r"\d+")
LIGHT = words(
    "about also am another any been being but did else ever get gets got had having he her hers "
    "him his just many me much my one ones other others our please same she should so such tell "
    "them then those too us we were whose would d ll m re s ve"
)
"""Words that point or join: a question may lose them or gain them and stay the same."""


async def rewritten(model: LanguageModel, messages: Sequence[Message], tally: Tally) -> str:
    """Return the last question made to stand alone; the tally counts the tokens that it took.

    The question is empty if there is nothing to complete it from, or if the model said anything
    else than the last question in words of the user.
    """
    turns = [m for m in messages if m.role in ("user", "assistant")][-TURNS:]
    if len(turns) < 2:
        return ""
    said = "\n".join(f"{m.role}: {m.content.strip()[-TURN_LETTERS:]}" for m in turns)
    asked = (Message("system", TASK), Message("user", f"{said}\n\nThe last question, rewritten:"))
    parts = []
    stream = cast("AsyncGenerator[Piece, None]", model.chat(asked, SAMPLING))
    try:
        with tally.generation(partial(tokens_of, model, asked)) as heard:
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    heard.add(piece)
                    parts.append(piece.text)
    except (TooLong, RequestRefused):  # such as by a model that takes no temperature
        return ""
    found = " ".join("".join(parts).split()).strip("\"'“”")
    mine = [m.content.strip()[-TURN_LETTERS:] for m in turns if m.role == "user"]
    usable = heard.last.finish == "stop" and _asks(found, mine)
    return found if usable else ""


def _asks(found: str, turns: Sequence[str]) -> bool:
    """Say whether a text is one question that keeps the words of a user's last and adds no others.

    Its words may be those of any of the user's turns, and so must be its numbers.
    """
    said, told, last = " ".join(turns), words(found) - LIGHT, words(turns[-1]) - LIGHT
    one = found.endswith(ASKS) and len(found) <= LONGEST and not END.search(found[:-1])
    numbers = set(DIGITS.findall(found)) <= set(DIGITS.findall(said))
    return one and numbers and bool(told) and last <= told <= words(said)
