"""Answers a conversation at an endpoint, grounded in what the actor may read, with citations.

It knows no HTTP; whether the actor may use the endpoint was decided when it was opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
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
from inhouse.serve.guarding import guarded
from inhouse.serve.house import Served
from inhouse.serve.once import Once
from inhouse.serve.prompt import Prompt, grounded, tokens_of, with_instructions
from inhouse.serve.quote import ENOUGH, spans
from inhouse.serve.rewrite import rewritten
from inhouse.serve.search import find, question
from inhouse.serve.seen import Step
from inhouse.serve.tally import Tally

# Small models copy what they are shown in circles; SmolLM2-135M stops doing so at about this.
REPETITION_PENALTY = 1.08
# What is written from documents is checked, and its sources stand behind it.
GROUNDED = Capabilities(penalties=True, logit_bias=True)
OFFERED = 3
REFUSAL = "The answer is not in the documents that you may read."
POLITE = "I answer questions from the documents that you may read."
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
    served: Served,
    messages: Sequence[Message],
    sampling: Sampling,
    *,
    access: Access,
    once: Once | None = None,
) -> AsyncGenerator[str | Piece | Tally | Ending, None]:
    """Stream the tally of an answer, its text, then its `Ending`; closing it aborts the model.

    A piece stands in place of text where there is more to it: scored tokens, calls of tools.
    At an endpoint with knowledge the text ends with the list of its sources. Where they support
    no answer the model is not asked for one, and the nearest are offered. Thanks and greetings are
    answered with what can be asked here. Several answers with the
    same `once` look for the same question once.

    Raises:
        Refused: the actor may read no source of the endpoint's knowledge.
        BadInput: the last message is not a question of the user, or more is asked for than an
            endpoint with knowledge or its model can do.
        TooLong: the prompt leaves no room for an answer.
        ProviderError: a remote model failed.
    """
    parts = _answer(served, messages, sampling, access, once or Once())
    guard = served.settings.guard
    return guarded(parts, messages, sampling, guard) if guard else parts


def _answer(
    served: Served, messages: Sequence[Message], sampling: Sampling, access: Access, once: Once
) -> AsyncGenerator[str | Piece | Tally | Ending, None]:
    if served.retriever is None:
        return _plain(served, messages, sampling)
    check_capable(sampling, GROUNDED, messages, who="An endpoint with knowledge", kind=BadField)
    tally, retriever = Tally(), served.retriever
    of = (served.endpoint.ref, served.model_name)
    looked = partial(_looked, served, retriever, messages, access, tally)
    return _grounded(served, messages, sampling, tally, partial(once, of, looked))


def _plain(
    served: Served, messages: Sequence[Message], sampling: Sampling
) -> AsyncGenerator[Piece | Tally | Ending, None]:
    prompt = with_instructions(messages, served.settings.instructions)
    stream = cast("AsyncGenerator[Piece, None]", served.model.chat(prompt.messages, sampling))
    return plainly(stream, served.label, partial(tokens_of, served.model, prompt.messages))


async def plainly(
    stream: AsyncGenerator[Piece, None], label: Label, read: Callable[[], int]
) -> AsyncGenerator[Piece | Tally | Ending, None]:
    """Yield a tally, what a model says as it is, then its ending; `read` estimates its prompt."""
    tally = Tally()
    yield tally
    with tally.generation(read) as heard:
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                heard.add(piece)
                if piece.text or piece.tokens or piece.calls:
                    yield piece
    last = heard.last
    yield Ending(last.finish or "stop", tally.usage, (), label, unmet=last.unmet)


async def _grounded(
    served: Served,
    messages: Sequence[Message],
    sampling: Sampling,
    tally: Tally,
    looked: Callable[[], Awaitable[tuple[Found, Ending]]],
) -> AsyncGenerator[str | Tally | Ending, None]:
    settings = served.settings
    yield tally
    found, ending = await looked()
    if not found.asks or not found.hits or found.support < settings.bar:
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
    stream = _said(served.model, prompt, _tuned(sampling, served), gate, tally)
    async with aclosing(stream) as said:
        async for part in said:
            if quote:  # the model has begun, so no other has to
                yield quote
                quote = ""
            if isinstance(part, str):
                yield lead + part
                lead = ""
            else:
                ending = replace(ending, finish=part.finish or "stop", unmet=part.unmet)
    ending = replace(ending, usage=tally.usage)
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
    served: Served,
    retriever: Retriever,
    messages: Sequence[Message],
    access: Access,
    tally: Tally,
) -> tuple[Found, Ending]:
    """Return what was found for the question, made to stand alone, and how to end so far."""
    asked = messages
    question(messages)  # before the model is asked
    if served.settings.able:
        alone = await rewritten(served.model, messages, tally)
        asked = [Message("user", alone)] if alone else messages
    with Step("retrieval", str(served.endpoint.knowledge)):
        found, label = await to_its_end(
            lambda: find(retriever, asked, served.actor, top=served.settings.top, access=access)
        )
    label = served.label.join(label)
    return found, Ending("stop", tally.usage, (), label, found.query, found.support)


def _refusal(found: Found, ending: Ending) -> Iterator[str | Ending]:
    """Yield that there is no answer, with the nearest sections if there are any.

    Who has asked nothing is told what can be asked.
    """
    if not found.asks:
        yield POLITE
        yield replace(ending, support=None)
        return
    near = found.hits[:OFFERED]
    citations = cite(near, spans(found.query, near))
    yield REFUSAL + (NEAREST + listing(citations) if citations else "")
    yield replace(ending, citations=citations, refused=True)


async def _said(
    model: LanguageModel, prompt: Prompt, sampling: Sampling, gate: Gate, tally: Tally
) -> AsyncGenerator[str | Piece, None]:
    """Yield what of the model's answer passes the gate, and its last piece."""
    stream = cast("AsyncGenerator[Piece, None]", model.chat(prompt.messages, sampling))
    with tally.generation(partial(tokens_of, model, prompt.messages)) as heard:
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                heard.add(piece)
                for text in gate.push(piece.text):
                    if text:
                        yield text
                if gate.closed:
                    break
    for text in gate.finish():
        if text:
            yield text
    yield heard.last


def _tuned(sampling: Sampling, served: Served) -> Sampling:
    if sampling.repetition_penalty is not None or served.model.context_tokens is None:
        return sampling
    return replace(sampling, repetition_penalty=REPETITION_PENALTY)
