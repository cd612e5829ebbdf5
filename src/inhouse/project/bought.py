"""What the project file says of other people's APIs: where their keys are, and what they cost.

A price changes no answer, so it is no part of an endpoint's version: it stands in the project file
alone, and a new one needs neither a run nor a release. Keys themselves are nobody's business here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from inhouse.project.schema import Api, ProjectFile
from inhouse.serve.price import Price, Prices


def keys(config: ProjectFile) -> Mapping[str, Sequence[str]]:
    """Return the environment variables with the keys of APIs, by endpoint."""
    found: dict[str, list[str]] = {}
    for name, api in _apis(config):
        if api.variable and api.variable not in found.setdefault(name, []):
            found[name].append(api.variable)
    return found


def prices(config: ProjectFile) -> Prices:
    """Return what the APIs cost that have a price."""
    return {
        (name, api.api, api.name): Price(api.price.input, api.price.output, api.price.unit)
        for name, api in _apis(config)
        if api.price
    }


def _apis(config: ProjectFile) -> Iterator[tuple[str, Api]]:
    for name, endpoint in config.endpoints.items():
        for model in endpoint.models:
            if isinstance(model, Api):
                yield name, model
