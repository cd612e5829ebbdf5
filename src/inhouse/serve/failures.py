"""How failures leave the house: OpenAI's shape, what and how to mend it, never a traceback."""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inhouse.core.errors import BadKey, InhouseError, Refused, TooMany
from inhouse.serve.seen import Watcher, begin, current

log = logging.getLogger(__name__)

REQUEST_ID = "inhouse.request"
FIELDS: Mapping[str | None, str] = {
    "json_schema": "response_format",
    "regex": "structured_outputs",
    "grammar": "structured_outputs",
}
"""What requests call the settings of an engine that have another name here."""
UNAUTHENTICATED = {"www-authenticate": 'Bearer realm="inhouse"'}


class Json(Response):
    """A JSON response."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return the bytes; arrays of numpy are accepted."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def error_body(error: Exception, request_id: str) -> dict[str, Any]:
    """Return the body of a failure; one that nobody foresaw is logged and shown by its id."""
    if isinstance(error, InhouseError):
        param = getattr(error, "param", None)
        return _body(str(error), _kind(error), error.code, FIELDS.get(param, param))
    log.error("Request %s failed.", request_id, exc_info=error)
    message = (
        f"Something went wrong inside. Tell the operator the id {request_id}, "
        f"under which the log says more."
    )
    return _body(message, "server_error", "internal_error")


def on_error(request: Request, error: Exception) -> Response:
    """Answer a failure that the house foresaw."""
    assert isinstance(error, InhouseError)
    current().failure = error.code
    headers = UNAUTHENTICATED if isinstance(error, BadKey) else None
    if isinstance(error, TooMany):
        headers = {"retry-after": str(math.ceil(error.wait))}
    return Json(error_body(error, request.scope[REQUEST_ID]), error.status, headers)


def on_http_error(request: Request, error: Exception) -> Response:
    """Answer an unknown path or a wrong method."""
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        body = _body(
            f"{path} does not answer {method}. Use {allowed}.",
            "invalid_request_error",
            "method_not_allowed",
        )
    else:
        body = _body(
            f"There is no {path} here. The routes start with /v1/.",
            "invalid_request_error",
            "not_found",
        )
    return Json(body, error.status_code, error.headers)


class Outermost:
    """Gives every request an id, answers what nobody foresaw, and tells the watchers of it."""

    def __init__(self, app: ASGIApp, watchers: Sequence[Watcher]) -> None:
        self.app = app
        self.watchers = watchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = uuid.uuid4().hex
        seen = begin(request_id, scope["method"])

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # the edge of the house: logged with its id
            body = error_body(error, request_id)
            seen.failure = body["error"]["code"]
            if not seen.status:
                await Json(body, 500)(scope, receive, watched)
        finally:
            seen.ended = time.perf_counter()
            for watcher in self.watchers:
                watcher(seen, scope)
            seen.answers = ()  # what was said is let go of, also where this context lives on


def _kind(error: InhouseError) -> str:
    if isinstance(error, BadKey):
        return "authentication_error"
    if isinstance(error, Refused):
        return "permission_error"
    if isinstance(error, TooMany):
        return error.kind
    return "invalid_request_error" if error.status < 500 else "server_error"


def _body(message: str, kind: str, code: str, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
