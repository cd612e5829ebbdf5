"""Asks an endpoint from within the process, through the same doors as over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from uuid import uuid4

from inhouse.core.access import Actor
from inhouse.core.label import Label
from inhouse.core.nouns import Message
from inhouse.core.protocols import Piece, Sampling, Usage
from inhouse.serve.answer import Ending, answer
from inhouse.serve.chain import answers
from inhouse.serve.citation import Citation
from inhouse.serve.house import House, Served
from inhouse.serve.recording import Asked, Parts, recorded


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer with what it rests on; `model` and `endpoint` are pinned references.

    What `query`, `support` and `refused` are stands at `inhouse.serve.answer.Ending`.
    """

    text: str
    citations: Sequence[Citation]
    endpoint: str
    model: str
    digest: str
    label: Label
    usage: Usage
    query: str | None
    support: float | None
    refused: bool


async def ask(
    house: House,
    endpoint: str,
    asked: Sequence[Message],
    actor: Actor,
    *,
    sampling: Sampling,
    hear: Callable[[str], None] = lambda text: None,
) -> Answered:
    """Ask what a conversation ends with; `hear` is called with each piece of text as it comes.

    Raises:
        Refused: the actor may not use the endpoint, or read any of its knowledge.
        NotFound: there is no such endpoint.
    """
    text: list[str] = []
    async with house.endpoint(endpoint, actor) as served:
        by = served
        access = house.catalog.access
        stream: Parts = answers(served, lambda one: answer(one, asked, sampling, access=access))
        if house.sink:
            body = {"messages": [{"role": m.role, "content": m.content} for m in asked]}
            trace = Asked(uuid4().hex, "inhouse ask", body, streamed=False).trace(
                served, 0, house.reach(served)
            )
            stream = recorded(stream, house.sink, trace, streamed=False, price=served.price)
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, Served):
                    by = event
                elif isinstance(event, str | Piece):
                    said = event if isinstance(event, str) else event.text
                    text.append(said)
                    hear(said)
                elif isinstance(event, Ending):
                    return Answered(
                        "".join(text),
                        event.citations,
                        str(served.endpoint.ref),
                        by.model_name,
                        by.digest,
                        event.label,
                        event.usage,
                        event.query,
                        event.support,
                        event.refused,
                    )
    raise AssertionError("an answer ends with its ending")
