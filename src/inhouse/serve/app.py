"""The HTTP door: its routes, each with its guard, in OpenAI's dialect.

Guards: a ``public`` route tells nothing; at a ``list`` route the caller's key is checked and
everything shown was decided one by one; at a ``use`` route the key is checked and the thing
asked for can only be had from the house, which decides first.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inhouse.core.access import Actor
from inhouse.core.errors import InhouseError
from inhouse.serve.auth import identify
from inhouse.serve.bodies import ChatBody, EmbeddingBody, SearchBody, read_body
from inhouse.serve.chat import Completion
from inhouse.serve.connection import CLIENT_GONE, EventStream, while_connected
from inhouse.serve.failures import REQUEST_ID, Json, Outermost, on_error, on_http_error
from inhouse.serve.house import House, full
from inhouse.serve.search import find, shown

Guard = Literal["public", "list", "use"]
Handler = Callable[[Request, Actor], Awaitable[Response]]

MAX_BODY = 4 * 2**20
NOBODY = Actor("")


class Door(Route):
    """A route with its guard; its handler is reached only past it."""

    def __init__(self, house: House, line: tuple[str, str, Guard, Handler]) -> None:
        method, path, guard, handler = line
        self.guard = guard

        async def endpoint(request: Request) -> Response:
            if guard == "public":
                return await handler(request, NOBODY)
            return await handler(request, identify(house.catalog, request.headers))

        super().__init__(path, endpoint, methods=[method], name=path)


def create_app(house: House, *, max_body: int = MAX_BODY) -> Starlette:
    """Return the app over a house; bodies may have `max_body` bytes."""
    api = Api(house, max_body)
    table: list[tuple[str, str, Guard, Handler]] = [
        ("GET", "/healthz", "public", api.health),
        ("GET", "/v1/models", "list", api.models),
        ("POST", "/v1/chat/completions", "use", api.chat),
        ("POST", "/v1/embeddings", "use", api.embeddings),
        ("POST", "/v1/search", "use", api.search),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await house.close()

    return Starlette(
        routes=[Door(house, line) for line in table],
        middleware=[Middleware(Outermost)],
        exception_handlers={InhouseError: on_error, HTTPException: on_http_error},
        lifespan=lifespan,
    )


class Api:
    """The handlers behind the doors."""

    def __init__(self, house: House, max_body: int) -> None:
        self._house = house
        self._max_body = max_body

    async def health(self, request: Request, actor: Actor) -> Response:
        """Say that the server is up."""
        return Json({"status": "ok", "version": version("inhouse")})

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
                    "ref": full(offer.ref),
                    "label": str(offer.label),
                },
            }
            for offer in offers
        ]
        return Json({"object": "list", "data": data})

    async def chat(self, request: Request, actor: Actor) -> Response:
        """Answer a conversation at an endpoint."""
        body = await read_body(request, ChatBody, limit=self._max_body)
        request_id = request.scope[REQUEST_ID]
        completion = Completion(self._house, actor, body, request_id=request_id)
        if body.stream:
            return EventStream(completion.events())
        answered = await while_connected(request.receive, completion.whole())
        return answered or Response(status_code=CLIENT_GONE)

    async def search(self, request: Request, actor: Actor) -> Response:
        """Find sections that the caller may read."""
        body = await read_body(request, SearchBody, limit=self._max_body)
        asked, access = body.conversation(), self._house.catalog.access
        async with self._house.knowledge(body.knowledge, actor) as opened:
            found, label = await asyncio.to_thread(
                find, opened.retriever, asked, actor, top=body.top, access=access
            )
        content = {
            "object": "list",
            "query": found.query,
            "support": found.support,
            "data": [{"object": "section", **shown(hit)} for hit in found.hits],
            "inhouse": {"knowledge": full(opened.ref), "label": str(opened.label.join(label))},
        }
        return Json(content)

    async def embeddings(self, request: Request, actor: Actor) -> Response:
        """Turn texts into vectors."""
        body = await read_body(request, EmbeddingBody, limit=self._max_body)
        async with self._house.embedder(body.model, actor) as opened:
            vectors = await asyncio.to_thread(opened.embedder.embed, body.input)
            read = await asyncio.to_thread(opened.embedder.tokens, body.input)
        show = _base64 if body.encoding_format == "base64" else _numbers
        data = [
            {"object": "embedding", "index": i, "embedding": show(vector)}
            for i, vector in enumerate(vectors)
        ]
        model, digest = full(opened.ref), opened.digest
        content = {
            "object": "list",
            "model": body.model,
            "data": data,
            "usage": {"prompt_tokens": read, "total_tokens": read},
            "inhouse": {"model": model, "digest": digest, "label": str(opened.label)},
        }
        return Json(content, headers={"x-inhouse-model": model, "x-inhouse-digest": digest})


def _numbers(vector: Any) -> Any:  # noqa: ANN401
    return vector


def _base64(vector: Any) -> str:  # noqa: ANN401
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
