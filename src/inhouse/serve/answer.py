"""Answers a conversation at an endpoint, grounded in what the actor may read, with citations.

It knows no HTTP; whether the actor may use the endpoint was decided when it was opened.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import cast

from inhouse.catalog.access import Access
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.core.nouns import Hit, Message
from inhouse.core.protocols import Finish, LanguageModel, Piece, Retriever, Sampling, Usage
from inhouse.serve.house import Served
from inhouse.serve.prompt import Prompt, grounded, with_instructions
from inhouse.serve.support import Gate

# Small models copy what they are shown in circles; SmolLM2-135M stops doing so at about this.
REPETITION_PENALTY = 1.08
# Enough for any question; searching for whole documents would keep everybody waiting.
QUERY_LETTERS = 2000
NOTHING_FOUND = "I found nothing about this in the documents that you may read."


@dataclass(frozen=True, slots=True)
class Citation:
    """A section that the model was given. `quote` stands word for word in its document."""

    number: int
    source: str
    document: str
    heading: str
    anchor: str
    id: str
    quote: str
    link: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended, what it rests on, and the label that it carries from now on."""

    finish: Finish
    usage: Usage
    citations: tuple[Citation, ...]
    label: Label


async def answer(
    served: Served, messages: Sequence[Message], sampling: Sampling, *, access: Access
) -> AsyncGenerator[str | Ending, None]:
    """Stream the text of an answer, then its `Ending`; closing the stream aborts the model.

    At an endpoint with knowledge the text ends with the list of its sources, and where nothing
    was found the model is not asked at all.

    Raises:
        Refused: the actor may read no source of the endpoint's knowledge.
        BadInput: the last message is not a question of the user.
        TooLong: the prompt leaves no room for an answer.
        ProviderError: a remote model failed.
    """
    label = served.label
    instructions = served.endpoint.params.get("instructions", "")
    if served.retriever is None:
        prompt = with_instructions(messages, instructions)
    else:
        hits, found = await asyncio.to_thread(
            _find, served, served.retriever, _question(messages), access
        )
        if not hits:
            yield NOTHING_FOUND
            yield Ending("stop", Usage(0, 0), (), label)
            return
        prompt = await asyncio.to_thread(
            grounded,
            served.model,
            messages,
            hits,
            instructions=instructions,
            max_tokens=sampling.max_tokens,
        )
        if sampling.repetition_penalty is None and served.model.context_tokens is not None:
            sampling = replace(sampling, repetition_penalty=REPETITION_PENALTY)
        label = Label.joined([label, *(found[hit.section.id] for hit in prompt.hits)])
    last = Piece("", "stop")
    checked = prompt.hits and served.endpoint.params.get("check", True)
    gate = Gate(_question(messages), prompt.hits) if checked else None
    async with aclosing(_said(served.model, prompt, sampling, gate)) as said:
        async for text in said:
            if isinstance(text, Piece):
                last = text
            else:
                yield text
    citations = _citations(prompt, gate.cited if gate else None)
    if citations:
        yield _listing(citations)
    yield Ending(last.finish or "stop", last.usage or Usage(0, 0), citations, label)


async def _said(
    model: LanguageModel, prompt: Prompt, sampling: Sampling, gate: Gate | None
) -> AsyncGenerator[str | Piece, None]:
    """Yield what of the model's answer passes the gate, and its last piece."""
    last = Piece("", "stop")
    stream = cast("AsyncGenerator[Piece, None]", model.chat(prompt.messages, sampling))
    async with aclosing(stream) as pieces:
        async for last in pieces:
            for text in gate.push(last.text) if gate else [last.text]:
                if text:
                    yield text
            if gate and gate.closed:
                break
    for text in gate.finish() if gate else ():
        yield text
    yield last


def _question(messages: Sequence[Message]) -> str:
    if not messages or messages[-1].role != "user":
        raise BadInput(
            "The last message is not the user's, so there is no question to look up.",
            "End the messages with one of the role 'user'.",
        )
    question = messages[-1].content.strip()[:QUERY_LETTERS]
    if not question:
        raise BadInput("The question is empty.", "Ask something.")
    return question


def _find(
    served: Served, retriever: Retriever, question: str, access: Access
) -> tuple[list[Hit], dict[str, Label]]:
    """Return the hits, and by section id the labels of their sources.

    The retriever has filtered already; asking again here costs little and holds even if it errs.
    """
    hits, labels = [], {}
    for hit in retriever.search(question, served.actor, top=served.endpoint.top).hits:
        decision = access.decide(served.actor, "read", hit.section.source, record=False)
        if decision.allowed:
            hits.append(hit)
            labels[hit.section.id] = decision.label
    return hits, labels


def _citations(prompt: Prompt, cited: Collection[int] | None) -> tuple[Citation, ...]:
    """Return the sections that the answer cites; all it was given where that is not known."""
    numbered = enumerate(prompt.hits, 1)
    return tuple(_cite(n, hit) for n, hit in numbered if cited is None or n in cited)


def _cite(number: int, hit: Hit) -> Citation:
    section = hit.section
    return Citation(
        number=number,
        source=str(section.source),
        document=section.document,
        heading=" › ".join(section.headings),
        anchor=section.anchor,
        id=section.id,
        quote=hit.passage,
        link=_link(section.document, section.anchor),
    )


def _link(document: str, anchor: str) -> str:
    """Return what opens a document at a place; PDF viewers know pages by ``#page=3``."""
    page = re.fullmatch(r"page-(\d+)(-\d+)?", anchor)
    if page and document.lower().endswith(".pdf"):
        return f"{document}#page={page[1]}"
    return f"{document}#{anchor}" if anchor else document


def _listing(citations: Sequence[Citation]) -> str:
    lines = [
        f"[{c.number}] {c.document} › {c.heading}" if c.heading else f"[{c.number}] {c.document}"
        for c in citations
    ]
    return "\n\nSources:\n" + "\n".join(lines)
