"""What data sets are made with that are more than files or their sum: the hub's, written, taught.

It says stage, spec and parents; putting them in order is the business of `steps`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from inhouse.catalog import Catalog
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput
from inhouse.core.nouns import Endpoint
from inhouse.core.protocols import Classifier, Usage
from inhouse.core.stage import Inputs, Stage
from inhouse.data import expand, hub, part, teach
from inhouse.data.asked import Writer
from inhouse.data.hub_files import SCHEME
from inhouse.data.likely import LikelyLabels
from inhouse.data.likely import Model as Judge
from inhouse.models.builtin import BUILTINS
from inhouse.project import bought
from inhouse.project.data_schema import Data, Expanded, Taught
from inhouse.project.loaders import Loaders
from inhouse.project.schema import Adapted, Model, ProjectFile
from inhouse.serve.price import price_of

AT_ONCE = 8
"""So many requests are under way at somebody's API."""
EMBEDDER, MODEL = "embedder", "model"
"""Roles whose parents are models in the form that runs."""


@dataclass(frozen=True, slots=True)
class Derived:
    """How a data set is made: stage, spec, and its parents as pairs of role and reference."""

    stage: Stage
    spec: object
    parents: Sequence[tuple[str, str]] = ()


def derived(
    name: str, entry: Data | Expanded | Taught, project: ProjectFile, catalog: Catalog
) -> Derived | None:
    """Return how a data set is made; None if it is files, other data sets, or those cleaned.

    Args:
        name: the name of the entry; ``gold/train`` is a part of it.
        entry: what the project file says of it.
        project: the whole project file.
        catalog: the store, where what is asked is opened.

    Raises:
        BadInput: something in the entry cannot be; the place is the entry.
    """
    own, _, which = name.partition("/")
    if which:
        return Derived(part.STAGE, part.Part(which), [("data", f"data/{own}")])
    if isinstance(entry, Expanded):
        return _expanded(entry, project, catalog)
    if isinstance(entry, Taught):
        return _taught(entry, project, catalog)
    if any(source.startswith("hf://") for source in entry.sources):
        return _from_hub(entry)
    return None


def _from_hub(entry: Data) -> Derived:
    if len(entry.sources) > 1:
        raise BadInput(
            "a data set of the hub stands alone in 'from'.",
            "Give each an entry of its own, and name those in the 'from' of another.",
        )
    (url,) = entry.sources
    if not url.startswith(SCHEME):
        raise BadInput(f"{url} is a model, if anything.", f"Write {SCHEME}ORG/NAME@COMMIT.")
    return Derived(hub.STAGE, hub.Hub(url, entry.kind, tuple((entry.columns or {}).items())))


def _expanded(entry: Expanded, project: ProjectFile, catalog: Catalog) -> Derived:
    parents = [("gold", entry.gold), *_by(entry.by, project)]
    parents += [(f"apart {n}", ref) for n, ref in enumerate(entry.apart, 1)]
    parents += [(EMBEDDER, entry.embed)] if entry.embed else []
    stage = expand.stage(_Opener(project, catalog).writer)
    return Derived(stage, expand.Expand(entry.per, entry.to), parents)


def _by(by: str, project: ProjectFile) -> list[tuple[str, str]]:
    section, _, name = by.partition("/")
    if section == "models":
        if is_embedder(name, project):
            raise BadInput(f"{by!r} is an embedder, and writes nothing.", "Name a language model.")
        return [(MODEL, by)]
    if section != "endpoints":
        raise BadInput(f"{by!r} is no model.", "Write models/NAME or endpoints/NAME.")
    endpoint = project.endpoints[name]
    if endpoint.knowledge:
        raise BadInput(
            f"{by!r} answers from {endpoint.knowledge}, and examples are written without.",
            "Name an endpoint without knowledge, or a model.",
        )
    first = endpoint.models[0]
    return [("endpoint", by), *([(MODEL, first)] if isinstance(first, str) else [])]


def _taught(entry: Taught, project: ProjectFile, catalog: Catalog) -> Derived:
    parents = [("texts", entry.texts), ("like", entry.like)]
    if entry.by is not None:
        section, _, name = entry.by.partition("/")
        if section != "models":
            raise BadInput(
                f"{entry.by!r} does not say how likely a label is.", "Write models/NAME."
            )
        parents.append((EMBEDDER if is_embedder(name, project) else MODEL, entry.by))
    return Derived(teach.stage(_Opener(project, catalog).teacher), teach.Teach(), parents)


def is_embedder(name: str, project: ProjectFile) -> bool:
    """Say whether a model of the project is an embedder, as far as that is known beforehand."""
    entry = project.models[name]
    if not isinstance(entry, Model):
        return isinstance(entry, Adapted)
    known = BUILTINS.get(entry.source)
    if known:
        return known.kind == "embedder"
    path = f"models/{name}"
    named = {base.embed for base in project.knowledge.values()}
    named |= {model.base for model in project.models.values() if isinstance(model, Adapted)}
    return path in named


class _Opener:
    """Opens what writes and what teaches, when a stage asks for it."""

    def __init__(self, project: ProjectFile, catalog: Catalog) -> None:
        self._project, self._catalog = project, catalog

    def writer(self, inputs: Inputs) -> Writer:
        """Open the language model among the inputs: one of the store, or somebody's API."""
        loaders = Loaders(self._catalog)
        if MODEL in inputs:
            return Writer(loaders.model(inputs[MODEL].artifact.ref))
        artifact = inputs["endpoint"].artifact
        api = artifact.params.get("api") or artifact.params["chain"][0]
        ref = Ref(artifact.ref.section, artifact.ref.name)
        endpoint = Endpoint(ref, None, params={"api": api})
        price = price_of(endpoint, bought.prices(self._project))

        def cost(usage: Usage) -> tuple[float, str]:
            return (price.of(usage), price.unit) if price else (0.0, "")

        return Writer(loaders.api(endpoint), AT_ONCE, cost if price else None)

    @contextmanager
    def teacher(self, inputs: Inputs, examples: Sequence[tuple[str, str]]) -> Iterator[Classifier]:
        """Open the language model among the inputs as one that says how likely labels are."""
        model = Loaders(self._catalog).model(inputs[MODEL].artifact.ref)
        teacher = LikelyLabels(cast(Judge, model), examples)
        try:
            yield teacher
        finally:
            teacher.close()
