"""How somebody's API failed: a sentence for whoever asked, and beside it what only operators see.

An address and a provider's own words tell callers what is bought and from whom, and may quote a
key. When something has failed is decided in `inhouse.models.remote`.
"""

from __future__ import annotations

import re

from inhouse.core.errors import ProviderError
from inhouse.models.remote_shapes import about_the_request, reason_of

FIX = "Try again; if that does not help, the operator can look at the endpoint's API and its key."
KINDS = {
    401: "it takes no key like ours",
    403: "it refuses us",
    404: "it does not know what was asked for",
    408: "it timed out",
    429: "it is overloaded or our quota is used up",
    503: "it is overloaded",
    504: "it timed out",
    529: "it is overloaded",
}
ADDRESS = re.compile(r"\b\w+://\S+|\b(?:[\w-]+\.)+[\w-]+:\d+\S*")
HIDDEN = "…"
NOT_THIS = frozenset({400, 413, 422})
"""What says that this one request was not taken."""


class Blame:
    """Makes the errors of one API; `host` and `key` never stand in their sentences."""

    def __init__(self, model: str, host: str, key: str | None) -> None:
        self._model, self._host, self._key = model, host, key

    def error(
        self, how: str, said: str = "", kind: type[ProviderError] = ProviderError
    ) -> ProviderError:
        """Return an error that says which model failed and how; `said` are the provider's words."""
        what = f"The model {self._model!r} {how}."
        return kind(what, FIX, at=self._host, said=self._without_key(said))

    def answered(self, status: int, body: object) -> str:
        """Return how it failed that answered with this status, in a few words.

        What a provider says of the request itself is the caller's to mend, so it is passed on.
        """
        kind = KINDS.get(status)
        if status in NOT_THIS and about_the_request(body):
            kind = self._without_address(self._without_key(reason_of(body)))
        return f"answered {status}" + (f": {kind}" if kind else "")

    def _without_key(self, said: str) -> str:
        return said.replace(self._key, "***") if self._key else said

    def _without_address(self, said: str) -> str:
        bare = self._host.rpartition(":")[0] or self._host
        for name in (self._host, bare):
            said = said.replace(name, HIDDEN)
        return ADDRESS.sub(HIDDEN, said)
