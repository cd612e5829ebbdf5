"""How failures leave the house: OpenAI's shape, what and how to mend it, never a traceback."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Set
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from inhouse.core.errors import (
    BadKey,
    InhouseError,
    ProviderError,
    Refused,
    RequestRefused,
    TooMany,
)
from inhouse.serve.seen import current

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
    """A JSON response; arrays of numpy are accepted."""

    def __init__(
        self, content: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status_code, self.background = status, None
        self.body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self.body)),
        ]
        for name, value in (headers or {}).items():
            self.raw_headers.append((name.encode(), value.encode("latin-1")))


def private_of(error: BaseException) -> str:
    """Return what of a failure only its record says: a provider's address and words."""
    return error.private if isinstance(error, ProviderError) else ""


def place_of(error: BaseException) -> str:
    """Return what the log says of the place where an API failed; its words may quote a prompt."""
    return f" at {error.at}" if isinstance(error, ProviderError) and error.at else ""


def error_body(error: Exception, request_id: str) -> dict[str, Any]:
    """Return the body of a failure; one that nobody foresaw is logged and shown by its id."""
    if isinstance(error, InhouseError):
        if place := place_of(error):
            how = type(error).__name__ if isinstance(error, RequestRefused) else error.what
            log.warning("Request %s%s: %s", request_id, place, how)
        param = getattr(error, "param", None)
        return _body(str(error), _kind(error), error.code, FIELDS.get(param, param))
    log.error("Request %s failed.", request_id, exc_info=error)
    message = (
        f"Something went wrong inside. Tell the operator the id {request_id}, "
        f"under which the log says more."
    )
    return _body(message, "server_error", "internal_error")


def on_error(request: Request, error: InhouseError) -> Response:
    """Answer a failure that the house foresaw."""
    current().failure = error.code
    headers = UNAUTHENTICATED if isinstance(error, BadKey) else None
    if isinstance(error, TooMany):
        headers = {"retry-after": str(math.ceil(error.wait))}
    return Json(error_body(error, request.scope[REQUEST_ID]), error.status, headers)


def unforeseen(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw: it is logged with the request's id."""
    body = error_body(error, request.scope[REQUEST_ID])
    current().failure = body["error"]["code"]
    return Json(body, 500)


def unknown(request: Request) -> Response:
    """Answer a path that there is not."""
    what = f"There is no {request.scope['path']} here. The routes start with /v1/."
    return Json(_body(what, "invalid_request_error", "not_found"), 404)


def wrong_method(request: Request, methods: Set[str]) -> Response:
    """Answer a method that a path does not know."""
    allowed = ", ".join(sorted(methods))
    what = f"{request.scope['path']} does not answer {request.method}. Use {allowed}."
    body = _body(what, "invalid_request_error", "method_not_allowed")
    return Json(body, 405, {"allow": allowed})


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
