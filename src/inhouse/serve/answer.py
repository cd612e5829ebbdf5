"""Answers a conversation at an endpoint, grounded in what the actor may read, with citations.

It knows no HTTP; whether the actor may use the endpoint was decided when it was opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import cast

from inhouse.catalog.access import Access
from inhouse.core.errors import BadField
from inhouse.core.label import Label
from inhouse.core.nouns import Found, Hit, Message
from inhouse.core.protocols import Finish, LanguageModel, Piece, Retriever, Sampling, Usage
from inhouse.models.engine import Capabilities, check_capable
from inhouse.serve.citation import Citation, cite, listing
from inhouse.serve.connection import to_its_end
from inhouse.serve.endpoint import Serve
from inhouse.serve.gate import Gate, Trust
from inhouse.serve.house import Served
from inhouse.serve.prompt import Prompt, grounded, spent, with_instructions
from inhouse.serve.quote import ENOUGH, spans
from inhouse.serve.rewrite import rewritten
from inhouse.serve.search import find, question
from inhouse.serve.seen import step

# Small models copy what they are shown in circles; SmolLM2-135M stops doing so at about this.
REPETITION_PENALTY = 1.08
# What is written from documents is checked, and its sources stand behind it.
GROUNDED = Capabilities(penalties=True, logit_bias=True)
OFFERED = 3
REFUSAL = "The answer is not in the documents that you may read."
NEAREST = "\n\nThe nearest sections, which are no answer:\n"
QUOTED = "The nearest section says:\n\n"
SUMMED_UP = "\n\nIn short: "
SOURCES = "\n\nSources:\n"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended, what it rests on, and the label that it carries from now on.

    At an endpoint with knowledge, `query` is what was looked for and `support` how well the
    sections support an answer. Where it is `refused`, the citations are the nearest sections.
    An answer is `unmet` if it ended before it was what it had to be.
    """

    finish: Finish
    usage: Usage
    citations: tuple[Citation, ...]
    label: Label
    query: str | None = None
    support: float | None = None
    refused: bool = False
    unmet: bool = False


def answer(
    served: Served, messages: Sequence[Message], sampling: Sampling, *, access: Access
) -> AsyncGenerator[str | Piece | Ending, None]:
    """Stream the text of an answer, then its `Ending`; closing the stream aborts the model.

    A piece stands in place of text where there is more to it: scored tokens, calls of tools.
    At an endpoint with knowledge the text ends with the list of its sources. Where they support
    no answer the model is not asked for one, and the nearest are offered.

    Raises:
        Refused: the actor may read no source of the endpoint's knowledge.
        BadInput: the last message is not a question of the user, or more is asked for than an
            endpoint with knowledge or its model can do.
        TooLong: the prompt leaves no room for an answer.
        ProviderError: a remote model failed.
    """
    if served.retriever is None:
        return _plain(served, messages, sampling)
    check_capable(sampling, GROUNDED, messages, who="An endpoint with knowledge", kind=BadField)
    return _grounded(served, served.retriever, messages, sampling, access)


async def _plain(
    served: Served, messages: Sequence[Message], sampling: Sampling
) -> AsyncGenerator[str | Piece | Ending, None]:
    prompt = with_instructions(messages, served.settings.instructions)
    stream = cast("AsyncGenerator[Piece, None]", served.model.chat(prompt.messages, sampling))
    async with aclosing(plainly(stream, served.label)) as parts:
        async for part in parts:
            yield part


async def plainly(
    stream: AsyncGenerator[Piece, None], label: Label
) -> AsyncGenerator[str | Piece | Ending, None]:
    """Yield what a model says as it is, then its ending."""
    last = Piece("", "stop")
    with step("generation") as it:
        async with aclosing(stream) as pieces:
            async for last in pieces:
                if last.tokens or last.calls:
                    yield last
                elif last.text:
                    yield last.text
        it.usage, it.finish = last.usage, last.finish or "stop"
    yield _ended(Ending("stop", Usage(0, 0), (), label), last)


async def _grounded(
    served: Served,
    retriever: Retriever,
    messages: Sequence[Message],
    sampling: Sampling,
    access: Access,
) -> AsyncGenerator[str | Ending, None]:
    settings = served.settings
    found, ending = await _looked(served, retriever, messages, access)
    if not found.hits or found.support < settings.bar:
        for last in _refusal(found, ending):
            yield last
        return
    extract = settings.mode == "extract"
    hits = found.hits[:1] if extract else found.hits
    prompt = await asyncio.to_thread(
        grounded,
        served.model,
        messages,
        hits,
        instructions=settings.instructions,
        max_tokens=sampling.max_tokens,
    )
    gate = _gate(settings, found.query, prompt.hits)
    lead, quote = (SUMMED_UP, QUOTED + gate.quote()) if extract else ("", "")
    if quote and not served.spare:
        yield quote
        quote = ""
    async with aclosing(_said(served.model, prompt, _tuned(sampling, served), gate)) as said:
        async for part in said:
            if quote:  # the model has begun, so no other has to
                yield quote
                quote = ""
            if isinstance(part, str):
                yield lead + part
                lead = ""
            else:
                ending = _ended(ending, part)
    if settings.able and gate.abstained and not gate.spans:
        for last in _refusal(found, ending):
            yield last
        return
    if not gate.spans:
        yield QUOTED + gate.quote()
    citations = cite(prompt.hits, gate.spans)
    yield SOURCES + listing(citations)
    yield replace(ending, citations=citations)


def _gate(settings: Serve, query: str, hits: Sequence[Hit]) -> Gate:
    """Return what lets an answer through; beside a quotation nothing may be made up."""
    if not settings.check:
        return Trust(query, hits)
    return Gate(query, hits, enough=1.0 if settings.mode == "extract" else ENOUGH)


async def _looked(
    served: Served, retriever: Retriever, messages: Sequence[Message], access: Access
) -> tuple[Found, Ending]:
    """Return what was found for the question, made to stand alone, and how to end so far."""
    asked, spent = messages, Usage(0, 0)
    question(messages)  # before the model is asked
    if served.settings.able:
        alone, spent = await rewritten(served.model, messages)
        asked = [Message("user", alone)] if alone else messages
    with step("retrieval", str(served.endpoint.knowledge)):
        found, label = await to_its_end(
            lambda: find(retriever, asked, served.actor, top=served.settings.top, access=access)
        )
    label = served.label.join(label)
    return found, Ending("stop", spent, (), label, found.query, found.support)


def _refusal(found: Found, ending: Ending) -> Iterator[str | Ending]:
    """Yield that there is no answer, with the nearest sections if there are any."""
    near = found.hits[:OFFERED]
    citations = cite(near, spans(found.query, near))
    yield REFUSAL + (NEAREST + listing(citations) if citations else "")
    yield replace(ending, citations=citations, refused=True)


async def _said(
    model: LanguageModel, prompt: Prompt, sampling: Sampling, gate: Gate
) -> AsyncGenerator[str | Piece, None]:
    """Yield what of the model's answer passes the gate, and its last piece, with the usage."""
    last, came = Piece("", "stop"), 0
    stream = cast("AsyncGenerator[Piece, None]", model.chat(prompt.messages, sampling))
    with step("generation") as it:
        async with aclosing(stream) as pieces:
            async for last in pieces:
                came += bool(last.text)
                for text in gate.push(last.text):
                    if text:
                        yield text
                if gate.closed:
                    break
        it.usage = spent(model, prompt.messages, last, pieces=came)
        it.finish = last.finish or "stop"
    for text in gate.finish():
        if text:
            yield text
    yield replace(last, usage=it.usage)


def _ended(ending: Ending, last: Piece) -> Ending:
    """Return an ending with what the model's last piece says."""
    more = last.usage or Usage(0, 0)
    usage = Usage(
        ending.usage.prompt_tokens + more.prompt_tokens,
        ending.usage.completion_tokens + more.completion_tokens,
        ending.usage.estimated or more.estimated,
    )
    return replace(ending, finish=last.finish or "stop", usage=usage, unmet=last.unmet)


def _tuned(sampling: Sampling, served: Served) -> Sampling:
    if sampling.repetition_penalty is not None or served.model.context_tokens is None:
        return sampling
    return replace(sampling, repetition_penalty=REPETITION_PENALTY)
