"""Of what an answer is made, each in its exact version: for its body and for its headers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from inhouse.core.artifact import Ref
from inhouse.serve import prompt
from inhouse.serve.house import Served

NAMES = "/@:+,;=!*'() "
REMEMBERED = 1_024


def versions(served: Served) -> Mapping[str, str]:
    """Return of what an answer is made; nothing for what is not there.

    An API's model has the name that its provider gives it, and no digest.
    """
    return _both(served)[0]


def headers(served: Served) -> Mapping[str, str]:
    """Return the headers that say the same; letters beyond ASCII are encoded as in URLs."""
    return _both(served)[1]


def _both(served: Served) -> tuple[Mapping[str, str], Mapping[str, str]]:
    endpoint, told = served.endpoint, served.settings.instructions
    return _told(endpoint.ref, served.model_name, served.digest, endpoint.knowledge, told)


@lru_cache(maxsize=REMEMBERED)
def _told(
    endpoint: Ref, model: str, digest: str, knowledge: Ref | None, instructions: str
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    found = {
        "endpoint": endpoint.pinned,
        "model": model,
        "digest": digest,
        "knowledge": knowledge.pinned if knowledge else "",
        "prompt": prompt.version(instructions, grounded=knowledge is not None),
    }
    shown = {f"x-inhouse-{name}": quote(found[name], safe=NAMES) for name in found if found[name]}
    return found, shown
