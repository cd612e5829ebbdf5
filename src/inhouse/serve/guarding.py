"""Personal data on its way through an endpoint: out of requests, out of answers, out of records.

What is found, and how, is the business of `inhouse.guard`. An endpoint that guards nothing never
comes here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from inhouse.core.errors import BadField
from inhouse.core.nouns import Message
from inhouse.core.protocols import LanguageModel, Piece, Sampling
from inhouse.guard.finding import PERSONAL
from inhouse.serve.tally import Tally

if TYPE_CHECKING:
    from inhouse.guard.guard import Guard as Finds
    from inhouse.guard.patterns import Patterns

WAYS = ("mask", "refuse")
"""What becomes of personal data in a request."""

Guard = Mapping[str, str]
"""``in`` is one of `WAYS`, ``out`` is ``mask``; what is not there is not guarded."""

LONG = 4_000
"""Characters from which finding is done beside the loop."""

T = TypeVar("T")
R = TypeVar("R")


def leased(
    lease: AbstractAsyncContextManager[LanguageModel], guard: Guard
) -> AbstractAsyncContextManager[LanguageModel]:
    """Return a lease of a model that is shown no personal data, if requests are guarded so.

    The model of a guarded endpoint takes whole conversations only: it neither continues a text nor
    scores one, since nothing would be guarded there.
    """
    return _behind(lease, guard) if guard else lease


@asynccontextmanager
async def _behind(
    lease: AbstractAsyncContextManager[LanguageModel], guard: Guard
) -> AsyncIterator[LanguageModel]:
    async with lease as model:
        yield Guarded(model, masks=guard.get("in") == "mask")


class Guarded:
    """A model behind a guard; see `inhouse.core.protocols.LanguageModel`."""

    def __init__(self, model: LanguageModel, *, masks: bool) -> None:
        self._model, self._masks = model, masks

    @property
    def name(self) -> str:
        """What the model is called."""
        return self._model.name

    @property
    def context_tokens(self) -> int | None:
        """How many tokens the model takes."""
        return self._model.context_tokens

    def count(self, messages: Sequence[Message]) -> int:
        """Return how many tokens the model reads in a prompt, as far as it tells."""
        from inhouse.serve.prompt import tokens_of

        return tokens_of(self._model, messages)

    async def chat(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Piece]:
        """Stream the answer to a conversation without the personal data in it."""
        if self._masks:
            messages = await _beside(_masked, messages)
        stream = cast("AsyncGenerator[Piece, None]", self._model.chat(messages, sampling))
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Free what the model holds."""
        await self._model.close()


async def guarded(
    parts: AsyncGenerator[T, None], messages: Sequence[Message], sampling: Sampling, guard: Guard
) -> AsyncGenerator[T, None]:
    """Yield the parts of an answer, if the request may be answered, without what is guarded.

    Text is held back while it may become personal data; what calls of tools say passes as it is.
    The quotes of the citations at its end are masked too.

    Raises:
        BadField: the request holds personal data and the endpoint refuses that, or it asks for the
            tokens of an answer in which personal data is masked.
    """
    async with aclosing(parts):
        if guard.get("in") == "refuse" and (found := await _beside(_types, messages)):
            raise BadField(
                "messages",
                f"This endpoint takes no personal data, and the request holds {', '.join(found)}.",
                "Take it out and ask again.",
            )
        if "out" not in guard:
            async for part in parts:
                yield part
            return
        if sampling.logprobs is not None:
            raise BadField(
                "logprobs",
                "This endpoint masks personal data in answers, so it cannot show their tokens.",
                "Leave logprobs out.",
            )
        screen = _Screen()
        async for part in parts:
            for shown in screen.pass_on(part):
                yield cast("T", shown)


class _Screen:
    """Masks the forms of personal data in one answer, as it comes."""

    def __init__(self) -> None:
        from inhouse.guard.stream import Stream

        self._patterns = _forms()
        self._stream = Stream(self._patterns)

    def pass_on(self, part: Any) -> Iterator[Any]:  # noqa: ANN401 - any part of an answer
        """Yield what may be shown now that a part has come; the last one is an ending."""
        if isinstance(part, str):
            if text := self._stream.feed(part):
                yield text
        elif isinstance(part, Piece):
            piece = replace(part, text=self._stream.feed(part.text))
            if piece.text or piece.calls:
                yield piece
        elif isinstance(part, Tally):
            yield part
        else:
            if text := self._stream.end():
                yield text
            yield replace(part, citations=tuple(map(self._cited, part.citations)))

    def _cited(self, citation: Any) -> Any:  # noqa: ANN401
        from inhouse.guard.hiding import hide, mask

        found = self._patterns.find(citation.quote)
        return replace(citation, quote=hide(citation.quote, found, mask))


def on_record(body: Mapping[str, Any], guard: Guard) -> Mapping[str, Any]:
    """Return a request as it is to stand on record: without the personal data in it."""
    if "in" not in guard:
        return body
    from inhouse.guard.hiding import hide_in_json, mask

    said = {name: value for name, value in body.items() if name != "model"}
    masked, _ = hide_in_json(said, _finds(), mask)
    return {**masked, **{name: body[name] for name in ("model",) if name in body}}


async def _beside(work: Callable[[Sequence[Message]], R], messages: Sequence[Message]) -> R:
    """Return what some work on messages gives; much of it is done in a thread."""
    if sum(len(message.content) for message in messages) < LONG:
        return work(messages)
    return await asyncio.to_thread(work, messages)


def _masked(messages: Sequence[Message]) -> list[Message]:
    from inhouse.guard.hiding import hide, mask

    found = _finds().find_many([message.content for message in messages])
    return [
        replace(
            message,
            content=hide(message.content, findings, mask),
            calls=tuple(replace(c, arguments=_arguments(c.arguments)) for c in message.calls),
        )
        for message, findings in zip(messages, found, strict=True)
    ]


def _arguments(text: str) -> str:
    from inhouse.guard.hiding import hide_in_text, mask

    return hide_in_text(text, _finds(), mask)[0]


def _types(messages: Sequence[Message]) -> list[str]:
    """Return the types that have a form: a word taken for a name is no reason to refuse."""
    said = [message.content for message in messages]
    said += [call.arguments for message in messages for call in message.calls]
    return sorted({f.type for findings in _forms().find_many(said) for f in findings})


def _forms() -> Patterns:
    from inhouse.guard.patterns import FORMS, Patterns

    return Patterns(frozenset(PERSONAL) & frozenset(FORMS))


def _finds() -> Finds:
    from inhouse.guard.guard import built_in

    return built_in(frozenset(PERSONAL))
