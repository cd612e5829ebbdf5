"""Measures what a project has with its suites: knowledge bases, models, and endpoints.

How something is measured is the business of `inhouse.evaluate`; here it is opened for that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from inhouse.catalog import Made
from inhouse.core.artifact import Artifact, Edge, Ref
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.core.nouns import Message
from inhouse.core.protocols import Sampling
from inhouse.core.stage import Progress, Recipe, Stage
from inhouse.evaluate import answerability, figures, model, retrieval
from inhouse.evaluate.examining import Examiner, asker, examiner, sorter
from inhouse.evaluate.papers import Kind
from inhouse.models.examined import Judges, LocalExamined
from inhouse.project.forms import form_of
from inhouse.project.kinds import as_it_is, kind_of
from inhouse.project.loaders import Loaders
from inhouse.project.suite_schema import OF_MODELS
from inhouse.serve.endpoint import KNOWLEDGE, MODEL

if TYPE_CHECKING:
    from inhouse.project.project import Project

SUITE = "suite"
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Judged:
    """What is measured: its pinned versions by role, and the name of its reports."""

    parents: Mapping[str, Ref]
    name: str


def evaluate(
    project: Project, ref: str, suite: str, *, progress: Progress
) -> tuple[Made, dict[str, Any]]:
    """Do what `Project.evaluate` says."""
    questions = project.catalog.get(project.made("suites", suite))
    section = ref.partition("/")[0] if "/" in ref else "knowledge"
    kind = str(questions.summary["kind"])
    wanted = ("models", "endpoints") if kind in OF_MODELS else ("knowledge",)
    if section not in wanted:
        what = "models and endpoints" if kind in OF_MODELS else "knowledge bases"
        raise BadInput(
            f"{questions.ref.path} is a suite of the kind {kind}, which asks {what}.",
            f"Name {' or '.join(f'{each}/NAME' for each in wanted)}.",
        )
    judged = _judged(project, ref, section, progress)
    parents = {**judged.parents, SUITE: questions.ref}
    access = project.catalog.access
    for each in parents.values():
        access.decide(access.actor(project.actor_name), "read", each).require()
    edges = tuple(Edge(role, each) for role, each in parents.items())
    report = Ref("reports", f"{judged.name}.{questions.ref.name}")
    access.set_label(report, Label.OPEN, by=project.actor_name)
    with _opened(project, judged, kind) as (stage, spec):
        recipe = Recipe(report, stage, spec, edges)
        made = project.catalog.make(recipe, by=project.actor_name, progress=progress)
    file = project.catalog.load(made.artifact.ref).folder / retrieval.REPORT
    return made, json.loads(file.read_text(encoding="utf-8"))


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return by how much the figures of a second report are higher than those of a first.

    Both are of the same suite of models.

    Raises:
        BadInput: they are not.
    """
    if first["kind"] not in OF_MODELS or len(first["marks"]) != len(second["marks"]):
        raise BadInput(
            "These cannot be compared question by question.",
            "Name models or endpoints, and a suite that asks them.",
        )
    kind = cast(Kind, first["kind"])
    return figures.differences(kind, first["marks"], second["marks"])


def _judged(project: Project, ref: str, section: str, progress: Progress) -> Judged:
    if section == "knowledge":
        base = project.catalog.get(project.made("knowledge", ref)).ref
        return Judged({"knowledge": base}, base.name)
    if section == "models":
        path = project.made("models", ref).path
        return Judged(
            {MODEL: _form(project, path, progress).ref}, f"models.{path.partition('/')[2]}"
        )
    endpoint = project.catalog.get(project.made("endpoints", ref))
    parents = {"endpoint": endpoint.ref}
    # What is asked of its knowledge base may stand in the report, so that carries all of it.
    parents |= {edge.role: edge.parent for edge in endpoint.parents if edge.role == KNOWLEDGE}
    first = next((edge.parent for edge in endpoint.parents if edge.role.startswith(MODEL)), None)
    if first:
        parents[MODEL] = first
    return Judged(parents, f"endpoints.{endpoint.ref.name}")


def _form(project: Project, path: str, progress: Progress) -> Artifact:
    """Return the form of a model that is served, which is made if no endpoint has it."""
    config, catalog = project.config, project.catalog
    entry = config.models[path.partition("/")[2]]
    if kind_of(entry) == "embedder":
        raise BadInput(
            f"{path} is an embedder, which says nothing.",
            "Name a language model or a classifier, or measure a knowledge base.",
        )
    if form := as_it_is(path, config):
        return catalog.get(Ref.parse(form))
    made = form_of(path, config)
    edges = tuple(Edge(role, catalog.get(Ref.parse(it)).ref) for role, it in made.parents)
    recipe = Recipe(Ref.parse(made.path), made.stage, made.spec, edges)
    if recipe.ref.path not in catalog.access.labels():
        catalog.access.set_label(recipe.ref, Label.OPEN, by=project.actor_name)
    return catalog.make(recipe, by=project.actor_name, progress=progress).artifact


@contextmanager
def _opened(project: Project, judged: Judged, kind: str) -> Iterator[tuple[Stage, object]]:
    """Open what is measured, once it is really asked; yield the stage that does it."""
    from inhouse.knowledge.schema import places

    if "knowledge" in judged.parents and "endpoint" not in judged.parents:
        retriever = Loaders(project.catalog).retriever(judged.parents["knowledge"])
        with closing(retriever):
            found = kind == "retrieval"
            yield (
                retrieval.stage(retriever, places) if found else answerability.stage(retriever),
                retrieval.Measuring(),
            )
        return
    known = cast(Kind, kind)
    yield model.stage(_later(project, judged, known)), model.Examining(known)


def _later(project: Project, judged: Judged, kind: Kind) -> Examiner:
    """Return what marks a model or an endpoint; it is opened when there is something to mark."""
    loaders = Loaders(project.catalog)
    ref = judged.parents.get(MODEL)

    def examine(items: Sequence[Any], progress: Progress) -> list[Any]:
        if ref and project.catalog.get(ref).summary.get("kind") == "classifier":
            if kind != "classes":
                raise BadInput(
                    f"{ref.path} is a classifier, and the suite asks for more than classes.",
                    "Name a language model, or a suite of the kind classes.",
                )
            return sorter(loaders.classifier(ref))(items, progress)
        if "endpoint" in judged.parents and kind == "questions":
            with closing(_Asked(project, judged.parents["endpoint"])) as asked:
                return asker(asked)(items, progress)
        if ref is None:
            raise BadInput(
                "An API does not tell how likely texts are.",
                "Measure it with a suite of the kind questions.",
            )
        opened = LocalExamined(cast(Judges, loaders.model(ref)), at_once=AT_ONCE)
        with closing(opened) as examined:
            return examiner(examined, kind)(items, progress)

    return examine


class _Asked:
    """An endpoint as suites ask it: as people do, but without a record of it."""

    def __init__(self, project: Project, endpoint: Ref) -> None:
        access = project.catalog.access
        self._actor, self._name = access.actor(project.actor_name), endpoint.name
        self._house = project.house()
        self._runner = asyncio.Runner()

    def answers(self, conversations: Sequence[Sequence[Message]], *, tokens: int) -> Sequence[str]:
        """Return what the endpoint answers to each."""
        from inhouse.project.asking import ask

        sampling = Sampling(max_tokens=tokens)

        async def every() -> Sequence[str]:
            found = await asyncio.gather(
                *(
                    ask(self._house, self._name, one, self._actor, sampling=sampling)
                    for one in conversations
                )
            )
            return [one.text for one in found]

        return self._runner.run(every())

    def close(self) -> None:
        """Close what the endpoint has open."""
        self._runner.run(self._house.close())
        self._runner.close()
