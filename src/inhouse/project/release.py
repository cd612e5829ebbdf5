"""Which version of an endpoint is served: what a run changes by itself, and what waits.

Documents are data: a version that differs in nothing else is served by the run that made it. All
else is behaviour and waits for a person, who may try it first. What is served and what is tried go
on over the new documents, so that those that were deleted are gone from every answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inhouse.catalog import Catalog
from inhouse.catalog.releases import Release
from inhouse.catalog.trials import Kind, Trial
from inhouse.core.artifact import Artifact, Edge, Ref, canonical, identity
from inhouse.core.errors import NotFound
from inhouse.core.stage import Recipe
from inhouse.project.steps import Step
from inhouse.serve.endpoint import DOCUMENTS, EMBEDDER, over, read_endpoint, settings

if TYPE_CHECKING:
    from inhouse.project.project import Project


@dataclass(frozen=True, slots=True)
class Change:
    """One thing in which two versions of an endpoint differ, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Released:
    """What is served now, what was served before, and in what they differ.

    `ended` is the trial that ended with it.
    """

    ref: Ref
    before: Ref
    changes: Sequence[Change]
    ended: Trial | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """What is tried from now on beside what is served, and in what it differs from that."""

    trial: Trial
    served: Ref
    changes: Sequence[Change]


class Origins:
    """What versions are made of, be they in the store or only planned."""

    def __init__(self, catalog: Catalog, planned: Iterable[Recipe] = ()) -> None:
        self._catalog = catalog
        self._planned = {recipe.version: recipe for recipe in planned}

    def served(self, step: Step, served: Artifact) -> str:
        """Return the version that is served after a run of a step, if `served` is before it."""
        recipe = self.renewed(served, step.recipe.parents, pinned=step.pinned)
        return recipe.version if recipe else served.ref.version or ""

    def renewed(self, served: Artifact, parents: Sequence[Edge], *, pinned: bool) -> Recipe | None:
        """Return the recipe of an endpoint over the documents of `parents`.

        None if it keeps those it has: they are pinned, or are searched in another way there.
        """
        new = [edge for edge in parents if edge.role in DOCUMENTS]
        before = {edge.role: edge.parent for edge in served.parents if edge.role in DOCUMENTS}
        alike = before.keys() == {edge.role for edge in new} and all(
            self._alike(before[edge.role], edge.parent) for edge in new
        )
        return over(served, new) if alike and not pinned else None

    def _alike(self, one: Ref, other: Ref) -> bool:
        """Say whether two versions were made in the same way, of whatever documents.

        Of which program they are makes no difference: an index follows the program that reads it,
        or nothing would be served after an upgrade.
        """
        if one == other:
            return True
        (way, parents), (other_way, others) = self._look(one), self._look(other)
        if way != other_way or parents.keys() != others.keys():
            return False
        return all(self._alike(parents[role], others[role]) for role in parents)

    def _look(self, ref: Ref) -> tuple[tuple[object, ...], dict[str, Ref]]:
        """Return how a version is made, and of what beside documents."""
        recipe = self._planned.get(ref.version or "")
        edges: Sequence[Edge]
        if recipe:
            params, edges = identity(recipe.spec), recipe.parents
            stage = recipe.stage.recipe
        else:
            artifact = self._catalog.get(ref)
            params, edges = dict(artifact.params), artifact.parents
            stage = artifact.recipe
        parents = {edge.role: edge.parent for edge in edges if edge.parent.section != "data"}
        return (ref.path, stage, canonical(params)), parents


def serve(catalog: Catalog, step: Step, made: Ref, *, by: str) -> bool:
    """Serve what a run made of an endpoint as far as that needs no release; say whether it is."""
    _offer(catalog, step, made, by=by)
    while served := catalog.find(step.recipe.ref):
        recipe = Origins(catalog).renewed(served, step.recipe.parents, pinned=step.pinned)
        if recipe is None or recipe.version == served.ref.version:
            return served.ref == made
        renewed = catalog.make(recipe, by=by, point=False).artifact.ref
        # What is served may have been changed by somebody in the meantime.
        if catalog.releases.renew(renewed, served=served.ref, by=by):
            return renewed == made
    catalog.releases.release(made, by=by, note="the first")
    return True


def _offer(catalog: Catalog, step: Step, made: Ref, *, by: str) -> None:
    """Make a version the one that waits; what is tried goes on over its documents.

    A trial ends if the version is new in more than its documents.
    """
    origins, newest = Origins(catalog), catalog.releases.candidate(made)
    before = catalog.find(newest) if newest else None
    alike = before is not None and origins.served(step, before) == made.version
    catalog.releases.offer(made, by=by, new=not alike)
    while (trial := catalog.trials.of(made)) and (tried := catalog.find(trial.ref)):
        recipe = origins.renewed(tried, step.recipe.parents, pinned=step.pinned)
        if recipe is None or recipe.version == tried.ref.version:
            return
        renewed = catalog.make(recipe, by=by, point=False).artifact.ref
        if catalog.trials.renew(renewed, tried=tried.ref, by=by):
            return


def release(project: Project, endpoint: str, version: str = "") -> Released:
    """Serve a version of an endpoint, or what is tried, or else the newest that was made.

    A trial ends with it. An older version gets the documents of the one that is served, unless the
    endpoint pins them.

    Raises:
        NotFound: there is no such endpoint or version, or its bytes are gone.
        Corrupt: the bytes of its model have changed.
    """
    catalog, served = project.catalog, endpoint_of(project, endpoint)
    ref = _wanted(project, served, version)
    if ref == served.ref:
        return Released(ref, ref, ())
    changes = differences(catalog, served, catalog.get(ref))
    ended = catalog.releases.release(ref, by=project.actor_name, note=_said(changes))
    return Released(ref, served.ref, changes, ended)


def try_out(
    project: Project, endpoint: str, version: str = "", *, kind: Kind, percent: float
) -> Tried:
    """Try a version of an endpoint on some actors or requests, beside what is served.

    Which version that is, and over which documents, is as for `release`. What was tried before is
    tried no more; if it is the same in the same way, only the share changes.

    Raises:
        BadInput: the version is served already, or the share is none.
        NotFound: there is no such endpoint or version, or its bytes are gone.
        Corrupt: the bytes of its model have changed.
    """
    catalog, served = project.catalog, endpoint_of(project, endpoint)
    ref = _wanted(project, served, version)
    changes = differences(catalog, served, catalog.get(ref))
    trial = catalog.trials.begin(
        ref, kind=kind, percent=percent, by=project.actor_name, note=_said(changes)
    )
    return Tried(trial, served.ref, changes)


def roll_back(project: Project, endpoint: str) -> Released:
    """End the trial of an endpoint. Without one, serve what was released before.

    That gets the documents of what is served.

    Raises:
        BadInput: nothing was released before.
        NotFound: there is no such endpoint, or the bytes of that version are gone.
        Corrupt: the bytes of its model have changed.
    """
    catalog, served = project.catalog, endpoint_of(project, endpoint)
    ended = catalog.trials.end(served.ref, by=project.actor_name, why="rolled back")
    if ended:
        return Released(served.ref, served.ref, (), ended)
    before = catalog.releases.before(served.ref)
    ref = _again(project, catalog.get(before.ref), served)
    changes = differences(catalog, served, catalog.get(ref))
    catalog.releases.roll_back(ref, to=before, by=project.actor_name)
    return Released(ref, served.ref, changes)


def history(project: Project, endpoint: str) -> Sequence[Release]:
    """Return the releases of an endpoint, oldest first.

    Raises:
        NotFound: there is no such endpoint.
    """
    return project.catalog.releases.history(endpoint_of(project, endpoint).ref)


def differences(catalog: Catalog, before: Artifact, after: Artifact) -> list[Change]:
    """Return in what two versions of an endpoint differ: models, knowledge and settings."""
    old, new = _facts(catalog, before), _facts(catalog, after)
    return [
        Change(name, old.get(name, "none"), new.get(name, "none"))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _facts(catalog: Catalog, artifact: Artifact) -> dict[str, str]:
    found: dict[str, Any] = identity(settings(read_endpoint(artifact)))
    facts = {name: canonical(value) for name, value in found.items()}
    for edge in artifact.parents:
        if edge.role != EMBEDDER:
            digest = catalog.get(edge.parent).digest[:12]
            facts[edge.role] = f"{edge.parent}, digest {digest}"
    return facts


def endpoint_of(project: Project, endpoint: str) -> Artifact:
    """Return the version that is served of ``desk`` or ``endpoints/desk``.

    Raises:
        NotFound: the project has no such endpoint, or it has not been made.
    """
    name, known = endpoint.removeprefix("endpoints/"), project.config.endpoints
    if name not in known:
        raise NotFound("endpoint", name, known)
    return project.artifact(Ref("endpoints", name))


def _wanted(project: Project, served: Artifact, version: str) -> Ref:
    """Return what is meant by a version, or by none, ready to be served."""
    catalog, name = project.catalog, Ref(served.ref.section, served.ref.name)
    trial, newest = catalog.trials.of(name), catalog.releases.candidate(name)
    known = (trial.ref if trial else None, newest, served.ref)
    wanted = catalog.get(name.at(version) if version else next(filter(None, known)))
    if wanted.ref not in known:
        return _again(project, wanted, served)
    if wanted.ref != served.ref:
        _check(catalog, wanted.parents)
    return wanted.ref


def _said(changes: Sequence[Change]) -> str:
    return "; ".join(f"{c.name}: {c.before} -> {c.after}" for c in changes)


def _again(project: Project, wanted: Artifact, served: Artifact) -> Ref:
    """Return the version that does what `wanted` did, if possible over the documents served now."""
    catalog = project.catalog
    pinned = project.config.endpoints[served.ref.name].pin is not None
    recipe = Origins(catalog).renewed(wanted, served.parents, pinned=pinned)
    if recipe is None:
        recipe = over(wanted, [edge for edge in wanted.parents if edge.role in DOCUMENTS])
    _check(catalog, recipe.parents)
    return catalog.make(recipe, by=project.actor_name, point=False).artifact.ref


def _check(catalog: Catalog, parents: Sequence[Edge]) -> None:
    """Verify the bytes of what a version is made of before it is served."""
    for edge in parents:
        catalog.load(edge.parent)
