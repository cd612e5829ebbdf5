"""The HTTP door: its routes, each with its guard, in OpenAI's dialect.

Guards: a ``public`` route tells nothing of what is here; at a ``list`` route the caller's key is
checked and everything shown was decided one by one; at a ``use`` route the key is checked and the
thing asked for can only be had from the house, which decides first, or is given to somebody who
does; an ``operate`` route is for keys of operators alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from inhouse.catalog.spending import Spending
from inhouse.core.access import Actor
from inhouse.core.errors import ModelNotFound
from inhouse.core.protocols import FeedbackSink
from inhouse.serve import lookup_shapes, shapes, static
from inhouse.serve.admission import Offer
from inhouse.serve.bodies import ChatBody, CompletionBody, ResponseBody
from inhouse.serve.chat import ChatDialect
from inhouse.serve.choices import Dialect, Exchange
from inhouse.serve.classify import Classifying
from inhouse.serve.completions import TextDialect
from inhouse.serve.connection import EventStream, nobody_there, while_connected
from inhouse.serve.door import App, Door
from inhouse.serve.failures import REQUEST_ID, Json
from inhouse.serve.feedback import said
from inhouse.serve.gathering import Gathering
from inhouse.serve.house import House
from inhouse.serve.limits import KeyLimits, count_more, spend_of
from inhouse.serve.logs import say
from inhouse.serve.lookup_bodies import (
    ClassifyBody,
    EmbeddingBody,
    FeedbackBody,
    RerankBody,
    SearchBody,
    SectionQuery,
)
from inhouse.serve.lookups import searched
from inhouse.serve.metrics import Exposition, Metrics
from inhouse.serve.openapi import Line, document
from inhouse.serve.readiness import Readiness
from inhouse.serve.reading import AnyBody, Body, read_body, read_query
from inhouse.serve.recording import Asked
from inhouse.serve.responses import ResponseDialect
from inhouse.serve.sections import section
from inhouse.serve.seen import Watcher
from inhouse.serve.shadow import Shadows
from inhouse.serve.vectors import embedded, reranked

Generating = ChatBody | CompletionBody | ResponseBody

MAX_BODY = 4 * 2**20


def create_app(
    house: House,
    *,
    max_body: int = MAX_BODY,
    seconds: float | None = None,
    feedback: FeedbackSink | None = None,
    watchers: Sequence[Watcher] = (),
    workers: Path | None = None,
) -> App:
    """Return the app over a house; bodies may have `max_body` bytes, requests take `seconds`.

    `feedback` is who takes what people think of answers; it also decides who may. The `watchers`
    hear of every request beside the metrics and the log. Where several processes serve together,
    `workers` is a folder of theirs alone, in which each finds the others' metrics. Whoever stops
    the server calls ``app.readiness.leave()`` first.
    """
    api = Api(house, max_body, seconds, feedback)
    limits = KeyLimits(Spending(house.catalog.root))
    if workers is not None:
        api.gathering = Gathering(workers, api.metrics.text)

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        if api.gathering:
            await api.gathering.open()
        api.readiness.begin()
        yield
        await api.readiness.close()
        if api.gathering:
            await api.gathering.close()
        await api.shadows.close()
        await house.close()
        limits.close()

    return App(
        [Door(house, line, limits) for line in (*api.lines, *static.lines())],
        watchers=(api.metrics, say, *watchers),
        readiness=api.readiness,
        life=life(),
    )


class Api:
    """The handlers behind the doors."""

    def __init__(
        self, house: House, max_body: int, seconds: float | None, feedback: FeedbackSink | None
    ) -> None:
        self._house = house
        self._max_body = max_body
        self._seconds = seconds
        self._feedback = feedback
        self.shadows = Shadows(house)
        self.metrics = Metrics(house, self.shadows)
        self.readiness = Readiness(house)
        self.gathering: Gathering | None = None
        self._classifying = Classifying(house)
        chat, text, response = shapes.ChatCompletion, shapes.TextCompletion, shapes.Response
        vectors, ranks = lookup_shapes.Embeddings, lookup_shapes.Ranks
        self.lines = (
            Line("GET", "/healthz", "public", self.health, None, lookup_shapes.Health),
            Line("GET", "/readyz", "public", self.ready, None, lookup_shapes.Ready),
            Line("GET", "/metrics", "operate", self.measure, None, str),
            Line("GET", "/openapi.json", "public", self.openapi, None, dict),
            Line("GET", "/v1/models", "list", self.models, None, lookup_shapes.Models),
            Line("GET", "/v1/models/{model}", "list", self.model, None, lookup_shapes.Model),
            Line("POST", "/v1/chat/completions", "use", self.chat, ChatBody, chat),
            Line("POST", "/v1/completions", "use", self.complete, CompletionBody, text),
            Line("POST", "/v1/responses", "use", self.respond, ResponseBody, response),
            Line("POST", "/v1/embeddings", "use", self.embed, EmbeddingBody, vectors),
            Line("POST", "/v1/rerank", "use", self.rerank, RerankBody, ranks),
            Line("POST", "/v1/classify", "use", self.classify, ClassifyBody, lookup_shapes.Classes),
            Line("POST", "/v1/search", "use", self.search, SearchBody, lookup_shapes.Sections),
            Line("GET", "/v1/sections", "use", self.section, SectionQuery, lookup_shapes.Section),
            Line("POST", "/v1/feedback", "use", self.rate, FeedbackBody, lookup_shapes.Thanks),
        )

    async def health(self, request: Request, actor: Actor) -> Response:
        """Say that the server is up."""
        return Json({"status": "ok", "version": version("inhouse")})

    async def ready(self, request: Request, actor: Actor) -> Response:
        """Say that requests can be answered, or why not."""
        unopened = await self.readiness.require()
        return Json({"status": "ready"} | ({"unopened": unopened} if unopened else {}))

    async def measure(self, request: Request, actor: Actor) -> Response:
        """Tell counts and times of all requests, for Prometheus."""
        return Exposition(await self.gathering.text() if self.gathering else self.metrics.text())

    async def openapi(self, request: Request, actor: Actor) -> Response:
        """Describe the routes, as OpenAPI 3.1 has it."""
        return Json(self._document)

    async def models(self, request: Request, actor: Actor) -> Response:
        """List the endpoints and embedders that the caller may use."""
        offers = await self._house.offers(actor)
        return Json({"object": "list", "data": [_shown(offer) for offer in offers]})

    async def model(self, request: Request, actor: Actor) -> Response:
        """Show an endpoint or embedder; one that the caller may not use is as none."""
        name, offers = request.path_params["model"], await self._house.offers(actor)
        for offer in offers:
            if name in (offer.name, offer.path):
                return Json(_shown(offer))
        raise ModelNotFound("model", name, [offer.name for offer in offers])

    async def chat(self, request: Request, actor: Actor) -> Response:
        """Answer a conversation at an endpoint."""
        body = await self._read(request, ChatBody)
        access, request_id = self._house.catalog.access, request.scope[REQUEST_ID]
        dialect = ChatDialect(body, access, request_id=request_id)
        return await self._exchanged(request, actor, dialect, body)

    async def complete(self, request: Request, actor: Actor) -> Response:
        """Go on with texts at an endpoint without knowledge, or say how likely they are."""
        body = await self._read(request, CompletionBody)
        dialect = TextDialect(body, request_id=request.scope[REQUEST_ID])
        return await self._exchanged(request, actor, dialect, body)

    async def respond(self, request: Request, actor: Actor) -> Response:
        """Answer at an endpoint, in OpenAI's newer dialect."""
        body = await self._read(request, ResponseBody)
        access, request_id = self._house.catalog.access, request.scope[REQUEST_ID]
        dialect = ResponseDialect(body, access, request_id=request_id)
        return await self._exchanged(request, actor, dialect, body)

    async def embed(self, request: Request, actor: Actor) -> Response:
        """Turn texts into vectors."""
        body = await self._read(request, EmbeddingBody)
        asked = _asked(request, body, {"input"})
        work = embedded(self._house, actor, body, asked, spend_of(request.scope))
        return await self._while_connected(request, work)

    async def rerank(self, request: Request, actor: Actor) -> Response:
        """Say how well texts answer a query, best first."""
        body = await self._read(request, RerankBody)
        asked = _asked(request, body, {"documents"})
        work = reranked(self._house, actor, body, asked, spend_of(request.scope))
        return await self._while_connected(request, work)

    async def classify(self, request: Request, actor: Actor) -> Response:
        """Say into which of some classes texts fall, best first."""
        body = await self._read(request, ClassifyBody)
        asked = _asked(request, body)
        work = self._classifying.answer(actor, body, asked, spend_of(request.scope))
        return await self._while_connected(request, work)

    async def rate(self, request: Request, actor: Actor) -> Response:
        """Take what the caller thinks of an answer."""
        return await said(self._feedback, actor, await self._read(request, FeedbackBody))

    async def search(self, request: Request, actor: Actor) -> Response:
        """Find sections that the caller may read."""
        body = await self._read(request, SearchBody)
        work = searched(self._house, actor, body, _asked(request, body))
        return await self._while_connected(request, work)

    async def section(self, request: Request, actor: Actor) -> Response:
        """Open a section that an answer cites, as it stands in the version that was cited."""
        query = read_query(request, SectionQuery)
        work = section(self._house, actor, query, _asked(request, query))
        return await self._while_connected(request, work)

    @cached_property
    def _document(self) -> dict[str, Any]:
        return document(self.lines, version("inhouse"))

    async def _read(self, request: Request, kind: type[AnyBody]) -> AnyBody:
        return await read_body(request, kind, limit=self._max_body)

    async def _exchanged(
        self, request: Request, actor: Actor, dialect: Dialect, body: Generating
    ) -> Response:
        count_more(request.scope, dialect.answers)
        asked, spend = _asked(request, body, streamed=body.stream), spend_of(request.scope)
        exchange = Exchange(self._house, actor, dialect, asked, self.shadows, spend)
        if body.stream:
            named = isinstance(dialect, ResponseDialect)
            return EventStream(exchange.events(), named=named, seconds=self._seconds)
        return await self._while_connected(request, exchange.whole())

    async def _while_connected(
        self, request: Request, work: Coroutine[Any, Any, Response]
    ) -> Response:
        answered = await while_connected(request.scope, work, seconds=self._seconds)
        return answered or nobody_there()


def _shown(offer: Offer) -> dict[str, object]:
    return {
        "id": offer.name,
        "object": "model",
        "created": int(offer.released),
        "owned_by": "inhouse",
        "inhouse": {"kind": offer.kind, "ref": offer.path, "label": str(offer.label)},
    }


def _asked(
    request: Request, body: Body, without: set[str] | None = None, *, streamed: bool = False
) -> Asked:
    """Return a request for its record, without the fields that the record has in another form."""
    shown = body.model_dump(mode="json", exclude_unset=True, exclude=without)
    return Asked(request.scope[REQUEST_ID], request.scope["path"], shown, streamed)
