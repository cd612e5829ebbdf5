"""The chat page at ``/``: its files, as they lie in ``page/``, and what browsers may do with them.

The page asks the same routes as everybody, with the key of whoever sits before it; what it looks
like and does is said in the files themselves.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from inhouse.core.access import Actor
from inhouse.serve.openapi import Line

FOLDER = Path(__file__).parent / "page"
START = "index.html"
KINDS = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# Nothing comes from elsewhere and nothing goes there; no script or style stands within the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def lines() -> tuple[Line, ...]:
    """Return the routes of the page; anybody gets it, for it holds nothing."""
    return tuple(_line(path) for path in sorted(FOLDER.iterdir()) if path.suffix in KINDS)


def _line(path: Path) -> Line:
    content = path.read_bytes()

    async def page(request: Request, actor: Actor) -> Response:
        return Response(content, headers=HEADERS, media_type=KINDS[path.suffix])

    where = "/" if path.name == START else f"/page/{path.name}"
    return Line("GET", where, "public", page, None, None)
