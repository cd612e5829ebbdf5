"""One request on its way through an endpoint: its answers, whole or as they come.

What they look like is the dialects' business (`chat`, `completions`, `responses`); how one is made,
that of `inhouse.serve.answer`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from inhouse.core.access import Actor
from inhouse.core.nouns import ToolCall
from inhouse.core.protocols import CallPart, Piece, TokenScore, Usage
from inhouse.serve.answer import Ending
from inhouse.serve.chain import answers
from inhouse.serve.failures import Json
from inhouse.serve.house import House, Served
from inhouse.serve.limits import Spend, counted
from inhouse.serve.origin import headers, versions
from inhouse.serve.recording import Asked, Part, Parts, recorded
from inhouse.serve.seen import current
from inhouse.serve.tally import Tally
from inhouse.serve.together import heard

if TYPE_CHECKING:
    from inhouse.serve.shadow import Shadows

Event = Mapping[str, Any]


@dataclass(slots=True)
class Choice:
    """One of the answers, as far as it has come; `ours` is what we say about a whole one.

    Its `id` is what traces and feedback call it. `by` is the endpoint with the model that took it
    over, where it has several. `first` and `last` are when its pieces came, by
    `time.perf_counter`; 0 is never.
    """

    index: int
    id: str
    texts: list[str] = field(default_factory=list)
    tokens: list[TokenScore] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    finish: str = "stop"
    tally: Tally = field(default_factory=Tally)
    ours: dict[str, Any] = field(default_factory=dict)
    by: Served | None = None
    first: float = 0.0
    last: float = 0.0

    @property
    def usage(self) -> Usage:
        """The tokens that it took so far."""
        return self.tally.usage

    @property
    def text(self) -> str:
        """What was said."""
        return "".join(self.texts)

    def add(self, piece: Piece) -> None:
        """Take what came next."""
        self.last = time.perf_counter()
        self.first = self.first or self.last
        if piece.text:
            self.texts.append(piece.text)
        self.tokens += piece.tokens
        for part in piece.calls:
            self._call(part)

    def taken_over(self, by: Served) -> None:
        """Begin anew with another model."""
        self.by, self.first, self.last = by, 0.0, 0.0
        for said in (self.texts, self.tokens, self.calls):
            said.clear()

    def end(self, ending: Ending, served: Served) -> None:
        """Take how it ended."""
        served, price = self.by or served, (self.by or served).price
        self.finish = ending.finish
        self.ours = {
            "id": self.id,
            **versions(served),
            "label": str(ending.label),
            "query": ending.query,
            "support": ending.support,
            "refused": ending.refused,
            "unmet": ending.unmet,
            "usage_estimated": ending.usage.estimated,
            "cost": price.of(ending.usage) if price else None,
            "price": price.unit if price else "",
            "tried": [each.shown for each in served.tried],
            "citations": [asdict(citation) for citation in ending.citations],
        }

    def _call(self, part: CallPart) -> None:
        while len(self.calls) <= part.index:
            self.calls.append(ToolCall("", "", ""))
        so_far = self.calls[part.index]
        self.calls[part.index] = ToolCall(
            so_far.id + part.id, so_far.name + part.name, so_far.arguments + part.arguments
        )


class Dialect(Protocol):
    """How one request is answered: what is asked for, and what the answers look like."""

    model: str

    @property
    def answers(self) -> int:
        """How many answers are asked for."""
        ...

    @property
    def each(self) -> int:
        """How many of them to each prompt; those to one stand side by side."""
        ...

    def parts(self, served: Served) -> Sequence[Parts]:
        """Return the streams of the answers."""
        ...

    def whole(self, choices: Sequence[Choice], usage: Usage) -> Event:
        """Return the body that holds all answers."""
        ...

    def first(self) -> Iterable[Event]:
        """Return the events before anything was said."""
        ...

    def more(self, choice: Choice, piece: Piece) -> Iterable[Event]:
        """Return the events that a piece makes, which the choice holds already."""
        ...

    def last(self, choice: Choice) -> Iterable[Event]:
        """Return the events that end an answer."""
        ...

    def done(self, choices: Sequence[Choice], usage: Usage) -> Iterable[Event]:
        """Return the events after everything was said."""
        ...


class Exchange:
    """A request of one actor, in one dialect; its shadow follows when it is answered."""

    def __init__(
        self,
        house: House,
        actor: Actor,
        dialect: Dialect,
        asked: Asked,
        shadows: Shadows,
        spend: Spend | None = None,
    ) -> None:
        """Take a request; its tokens are told to `spend`, if there is one."""
        self._house = house
        self._shadows = shadows
        self._actor = actor
        self._dialect = dialect
        self._asked = asked
        self._spend = spend

    async def whole(self) -> Json:
        """Return the answers in one body."""
        dialect = self._dialect
        async with self._house.endpoint(dialect.model, self._actor) as served:
            streams = self._streams(served)
            choices = self._choices(len(streams))
            async with aclosing(heard(streams)) as parts:
                async for came in parts:
                    index, part = came if len(streams) > 1 else (0, came)
                    _take(choices[index], part, served)
            usage = _usage(choices, dialect.each)
            self._shadows.send(served, dialect, self._asked)
            by = headers(choices[0].by or served)
            return Json(dialect.whole(choices, usage), headers=by)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Give the headers, then the answers event by event."""
        dialect = self._dialect
        async with self._house.endpoint(dialect.model, self._actor) as served:
            streams = self._streams(served)
            choices = self._choices(len(streams))
            if not served.chain:
                yield headers(served)
            named, begun = not served.chain, False
            async with aclosing(heard(streams)) as parts:
                async for came in parts:
                    index, part = came if len(streams) > 1 else (0, came)
                    if isinstance(part, Tally):
                        choices[index].tally = part
                        continue
                    if isinstance(part, Served):
                        _take(choices[index], part, served)
                        if not named:
                            yield headers(part)
                        named = True
                        continue
                    if not begun:  # only now is it sure that there is no plain error to send
                        for event in dialect.first():
                            yield event
                    begun = True
                    piece = _take(choices[index], part, served)
                    make = (
                        dialect.last(choices[index])
                        if piece is None
                        else dialect.more(choices[index], piece)
                    )
                    for event in make:
                        yield event
            usage = _usage(choices, dialect.each)
            self._shadows.send(served, dialect, self._asked)
            for event in dialect.done(choices, usage):
                yield event

    def _streams(self, served: Served) -> Sequence[Parts]:
        """Return the streams of the answers, recorded where records are kept, and counted."""
        seen = current()
        seen.endpoint, seen.model = served.endpoint.ref.name, served.model_name
        streams = self._recorded(served)
        if self._spend is None:
            return streams
        return [counted(stream, self._spend) for stream in streams]

    def _recorded(self, served: Served) -> Sequence[Parts]:
        whole, sink = not self._asked.streamed, self._house.sink
        streams = streams_of(self._dialect, served, whole=whole)
        if sink is None:
            return streams
        reach = self._house.reach(served)
        traces = (self._asked.trace(served, number, reach) for number in range(len(streams)))
        return [
            recorded(stream, sink, trace, streamed=self._asked.streamed, price=served.price)
            for stream, trace in zip(streams, traces, strict=True)
        ]

    def _choices(self, count: int) -> Sequence[Choice]:
        """Return the answers before there is anything of them, for the watchers to see as well."""
        choices = [Choice(index, self._asked.answer_id(index)) for index in range(count)]
        current().answers = choices
        return choices


def streams_of(dialect: Dialect, served: Served, *, whole: bool = False) -> Sequence[Parts]:
    """Return the streams of the answers; where there are several models, each asks in turn."""
    if not served.chain:
        return dialect.parts(served)

    def ask(number: int, by: Served) -> Parts:
        return dialect.parts(by)[number]  # the others do nothing until they are heard

    numbers = range(dialect.answers)
    return [answers(served, partial(ask, number), whole=whole) for number in numbers]


def _usage(choices: Sequence[Choice], each: int) -> Usage:
    """Return the tokens as OpenAI counts them: a prompt once, however many answers it has.

    What was read for each stands in its record, and is what budgets and prices count.

    Raises:
        RuntimeError: one was never ended, so what there is of it is no answer.
    """
    if not all(choice.ours for choice in choices):
        raise RuntimeError("the stream of an answer has no ending")
    used = [choice.usage for choice in choices]
    prompts = (used[place : place + each] for place in range(0, len(used), each))
    return Usage(
        sum(max(usage.prompt_tokens for usage in some) for some in prompts),
        sum(usage.completion_tokens for usage in used),
    )


def _take(choice: Choice, part: Part, served: Served) -> Piece | None:
    """Put a part into its choice; return it as a piece, or None if it was none."""
    if isinstance(part, Piece | str):
        piece = Piece(part) if isinstance(part, str) else part
        choice.add(piece)
        return piece
    if isinstance(part, Tally):
        choice.tally = part
    elif isinstance(part, Ending):
        choice.end(part, served)
    else:
        choice.taken_over(part)
        current().model = part.model_name
    return None
