"""Who asks: an API key in the header, looked up anew for every request.

What an actor may do is the catalog's decision; which route needs which guard stands in
`inhouse.serve.app`.
"""

from __future__ import annotations

from collections.abc import Iterable

from inhouse.catalog import Catalog
from inhouse.catalog.key import Key
from inhouse.catalog.lineage import Moment
from inhouse.core.access import Actor
from inhouse.core.errors import BadKey


def identify(
    catalog: Catalog, headers: Iterable[tuple[bytes, bytes]], now: Moment
) -> tuple[Key, Actor]:
    """Return the request's key, and the actor who comes with it, with the groups held at a moment.

    Raises:
        BadKey: there is no key, or it is unknown, expired or revoked.
    """
    said = next((value for name, value in headers if name == b"authorization"), b"")
    scheme, _, secret = said.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise BadKey("This request carries no API key.", "Send it as 'Authorization: Bearer ih-…'.")
    # What the catalog knows of a key is remembered, and a read never waits: no thread is worth it.
    return catalog.keys.of(secret.strip(), now)
