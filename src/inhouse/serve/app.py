"""The HTTP door: its routes, each with its guard, in OpenAI's dialect.

Guards: a ``public`` route tells nothing of what is here; at a ``list`` route the caller's key is
checked and everything shown was decided one by one; at a ``use`` route the key is checked and the
thing asked for can only be had from the house, which decides first, or is given to somebody who
does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from inhouse.catalog.spending import Spending
from inhouse.core.access import Actor
from inhouse.core.errors import InhouseError
from inhouse.core.protocols import FeedbackSink
from inhouse.serve import lookup_shapes, shapes
from inhouse.serve.auth import identify
from inhouse.serve.bodies import ChatBody, CompletionBody, ResponseBody
from inhouse.serve.chat import ChatDialect
from inhouse.serve.choices import Dialect, Exchange
from inhouse.serve.completions import TextDialect
from inhouse.serve.connection import EventStream, on_gone, to_its_end, while_connected
from inhouse.serve.failures import REQUEST_ID, Json, Outermost, on_error, on_http_error
from inhouse.serve.feedback import said
from inhouse.serve.house import House
from inhouse.serve.limits import KeyLimits, spend_of
from inhouse.serve.lookup_bodies import EmbeddingBody, FeedbackBody, RerankBody, SearchBody
from inhouse.serve.openapi import Line, document
from inhouse.serve.reading import AnyBody, read_body
from inhouse.serve.recording import Asked
from inhouse.serve.responses import ResponseDialect
from inhouse.serve.search import find, shown
from inhouse.serve.vectors import embedded, reranked

Generating = ChatBody | CompletionBody | ResponseBody

MAX_BODY = 4 * 2**20
NOBODY = Actor("")


class Door(Route):
    """A route with its guard; its handler is reached only past it."""

    def __init__(self, house: House, line: Line, limits: KeyLimits) -> None:
        self.guard = line.guard

        async def endpoint(request: Request) -> Response:
            if line.guard == "public":
                return await line.handler(request, NOBODY)
            key, actor = identify(house.catalog, request.headers)
            if key.limited and line.guard == "use":
                return await limits.through(key, request, lambda: line.handler(request, actor))
            return await line.handler(request, actor)

        super().__init__(line.path, endpoint, methods=[line.method], name=line.path)


def create_app(
    house: House,
    *,
    max_body: int = MAX_BODY,
    seconds: float | None = None,
    feedback: FeedbackSink | None = None,
) -> Starlette:
    """Return the app over a house; bodies may have `max_body` bytes, requests take `seconds`.

    `feedback` is who takes what people think of answers; it also decides who may.
    """
    api = Api(house, max_body, seconds, feedback)
    limits = KeyLimits(Spending(house.catalog.root))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await house.close()
        limits.close()

    return Starlette(
        routes=[Door(house, line, limits) for line in api.lines],
        middleware=[Middleware(Outermost)],
        exception_handlers={
            InhouseError: on_error,
            HTTPException: on_http_error,
            ClientDisconnect: on_gone,
        },
        lifespan=lifespan,
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
        chat, text, response = shapes.ChatCompletion, shapes.TextCompletion, shapes.Response
        vectors, ranks = lookup_shapes.Embeddings, lookup_shapes.Ranks
        self.lines = (
            Line("GET", "/healthz", "public", self.health, None, lookup_shapes.Health),
            Line("GET", "/openapi.json", "public", self.openapi, None, dict),
            Line("GET", "/v1/models", "list", self.models, None, lookup_shapes.Models),
            Line("POST", "/v1/chat/completions", "use", self.chat, ChatBody, chat),
            Line("POST", "/v1/completions", "use", self.complete, CompletionBody, text),
            Line("POST", "/v1/responses", "use", self.respond, ResponseBody, response),
            Line("POST", "/v1/embeddings", "use", self.embed, EmbeddingBody, vectors),
            Line("POST", "/v1/rerank", "use", self.rerank, RerankBody, ranks),
            Line("POST", "/v1/search", "use", self.search, SearchBody, lookup_shapes.Sections),
            Line("POST", "/v1/feedback", "use", self.rate, FeedbackBody, lookup_shapes.Thanks),
        )
        self._document = document(self.lines, version("inhouse"))

    async def health(self, request: Request, actor: Actor) -> Response:
        """Say that the server is up."""
        return Json({"status": "ok", "version": version("inhouse")})

    async def openapi(self, request: Request, actor: Actor) -> Response:
        """Describe the routes, as OpenAPI 3.1 has it."""
        return Json(self._document)

    async def models(self, request: Request, actor: Actor) -> Response:
        """List the endpoints and embedders that the caller may use."""
        offers = await self._house.offers(actor)
        data = [
            {
                "id": offer.name,
                "object": "model",
                "created": int(offer.created.timestamp()),
                "owned_by": "inhouse",
                "inhouse": {
                    "kind": offer.kind,
                    "ref": offer.ref.pinned,
                    "label": str(offer.label),
                },
            }
            for offer in offers
        ]
        return Json({"object": "list", "data": data})

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
        work = embedded(self._house, actor, body, spend_of(request.scope))
        return await self._while_connected(request, work)

    async def rerank(self, request: Request, actor: Actor) -> Response:
        """Say how well texts answer a query, best first."""
        body = await self._read(request, RerankBody)
        work = reranked(self._house, actor, body, spend_of(request.scope))
        return await self._while_connected(request, work)

    async def rate(self, request: Request, actor: Actor) -> Response:
        """Take what the caller thinks of an answer."""
        return await said(self._feedback, actor, await self._read(request, FeedbackBody))

    async def search(self, request: Request, actor: Actor) -> Response:
        """Find sections that the caller may read."""
        body = await self._read(request, SearchBody)
        return await self._while_connected(request, self._searched(body, actor))

    async def _searched(self, body: SearchBody, actor: Actor) -> Response:
        asked, access = body.conversation(), self._house.catalog.access
        async with self._house.knowledge(body.knowledge, actor) as opened:
            found, label = await to_its_end(
                lambda: find(opened.retriever, asked, actor, top=body.top, access=access)
            )
        content = {
            "object": "list",
            "query": found.query,
            "support": found.support,
            "data": [{"object": "section", **shown(hit)} for hit in found.hits],
            "inhouse": {"knowledge": opened.ref.pinned, "label": str(opened.label.join(label))},
        }
        return Json(content)

    async def _read(self, request: Request, kind: type[AnyBody]) -> AnyBody:
        return await read_body(request, kind, limit=self._max_body)

    async def _exchanged(
        self, request: Request, actor: Actor, dialect: Dialect, body: Generating
    ) -> Response:
        shown = body.model_dump(mode="json", exclude_unset=True)
        asked = Asked(request.scope[REQUEST_ID], request.url.path, shown, body.stream)
        exchange = Exchange(self._house, actor, dialect, asked, spend_of(request.scope))
        if body.stream:
            named = isinstance(dialect, ResponseDialect)
            return EventStream(exchange.events(), named=named, seconds=self._seconds)
        return await self._while_connected(request, exchange.whole())

    async def _while_connected(
        self, request: Request, work: Coroutine[Any, Any, Response]
    ) -> Response:
        answered = await while_connected(request.receive, work, seconds=self._seconds)
        return answered or on_gone(request)
