"""Which kind of model stands where in inhouse.yaml: what is known of it before anything is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from inhouse.core.artifact import Ref
from inhouse.data.recipe import read_step
from inhouse.models.builtin import BUILTINS, Kind
from inhouse.project.classify_schema import Classified
from inhouse.project.compress_schema import Compressed
from inhouse.project.data_schema import Data, Sharded
from inhouse.project.loaders import EMBEDDER
from inhouse.project.schema import Adapted, Endpoint, Learnt, Model, ProjectFile
from inhouse.project.scratch_schema import Scratch
from inhouse.project.shrink_schema import Shrunk
from inhouse.project.source import Source
from inhouse.project.suite_schema import OF_MODELS
from inhouse.project.train_schema import Trained

Place = tuple[str | int, ...]

KINDS: Mapping[str, Kind] = {
    "base": "embedder",
    "compress": "classifier",
    "embed": "embedder",
    "model": "language",
    "of": "language",
}
LANGUAGE: Mapping[str, type] = {"base": Trained, "compress": Shrunk}
"""Keys that want a language model in entries of a type."""
CLASSIFIERS = (Classified, Compressed)
CALLED: Mapping[Kind, str] = {
    "embedder": "an embedder",
    "language": "a language model",
    "classifier": "a classifier",
}
WRITING = (
    *("knowledge", "top", "instructions", "check", "mode", "support", "rewrite"),
    *("guard", "pin"),
)


def wanted_kind(place: Place, project: ProjectFile) -> Kind | None:
    """Return the kind of model that a place in inhouse.yaml wants; None if it wants none."""
    key = next(step for step in reversed(place) if isinstance(step, str))
    if key == "steps":
        data = cast(Data, project.data[str(place[1])])
        return cast("Kind | None", read_step(data.steps[cast(int, place[-1])]).model_kind)
    of = LANGUAGE.get(key)
    if of and isinstance(project.models.get(str(place[1])), of):
        return "language"
    return KINDS.get(key)


def kind_of(model: Model | Learnt) -> Kind | None:
    """Return the kind of a model, as far as it is known beforehand."""
    if isinstance(model, CLASSIFIERS):
        return "classifier"
    if isinstance(model, Scratch | Trained | Shrunk):
        return "language"
    if isinstance(model, Adapted):
        return "embedder"
    known = BUILTINS.get(model.source)
    return known.kind if known else None


def check_kinds(
    references: Mapping[str, Sequence[tuple[Place, str]]], project: ProjectFile, source: Source
) -> None:
    """Refuse a model in the place of another kind, as far as its kind is known beforehand.

    Raises:
        ProjectError: there is one.
    """
    for wanted in references.values():
        for place, ref in wanted:
            kind = wanted_kind(place, project)
            entry = project.models.get(ref.removeprefix("models/"))
            if kind is None or entry is None or _alone(place, entry):
                continue
            found = kind_of(entry) or kind
            if found != kind:
                what = f"{ref!r} is {CALLED[found]}, and {CALLED[kind]} is wanted here."
                raise source.error(place, what, f"Name {CALLED[kind]}.")


def check_sharded(
    references: Mapping[str, Sequence[tuple[Place, str]]], project: ProjectFile, source: Source
) -> None:
    """Refuse tokens in the place of texts: they can be mixed into a training alone.

    Raises:
        ProjectError: there are some.
    """
    for wanted in references.values():
        for place, ref in wanted:
            entry = project.data.get(ref.removeprefix("data/"))
            if isinstance(entry, Sharded) and not _mixed(place):
                what = f"{ref!r} holds tokens, and texts are wanted here."
                raise source.error(place, what, "Name a data set of texts; tokens can be mixed.")


def _mixed(place: Place) -> bool:
    """Say whether a place is in a mix: an entry may have that name too."""
    return place[0] == "models" and "mix" in place[2:]


def check_classifying(project: ProjectFile, source: Source) -> None:
    """Refuse keys that would change nothing at an endpoint that classifies.

    Raises:
        ProjectError: there is one.
    """
    for name, endpoint in project.endpoints.items():
        idle = [key for key in WRITING if key in endpoint.model_fields_set]
        if idle and _classifies(endpoint, project):
            raise source.error(
                ("endpoints", name, idle[0]),
                f"{idle[0]!r} changes nothing at an endpoint that classifies.",
                "Take it out, or name a model that writes.",
            )


def check_watched(project: ProjectFile, source: Source) -> None:
    """Refuse suites of knowledge bases where a language model is watched.

    Raises:
        ProjectError: there is one.
    """
    for name, model in project.models.items():
        for i, ref in enumerate(model.watch.suites if isinstance(model, Trained | Scratch) else ()):
            if project.suites[ref.partition("/")[2]].kind not in OF_MODELS:
                raise source.error(
                    ("models", name, "watch", "suites", i),
                    f"{ref!r} asks knowledge bases, and no models.",
                    f"Name a suite of one of these kinds: {', '.join(OF_MODELS)}.",
                )


def embedders(project: ProjectFile) -> dict[str, Ref]:
    """Return the embedders of knowledge bases: name -> the form that runs."""
    used = sorted({base.embed for base in project.knowledge.values()})
    return {path.removeprefix("models/"): Ref.parse(f"{path}/{EMBEDDER}") for path in used}


def classifiers(project: ProjectFile) -> dict[str, Ref]:
    """Return the classifiers: name -> the form that runs."""
    found = [name for name, entry in project.models.items() if isinstance(entry, CLASSIFIERS)]
    forms = {name: as_it_is(f"models/{name}", project) for name in found}
    return {name: Ref.parse(form) for name, form in forms.items() if form}


def asked(project: ProjectFile) -> list[str]:
    """Return the endpoints that answer in words, by name: not those that classify."""
    return [name for name, one in project.endpoints.items() if not _classifies(one, project)]


def _alone(place: Place, entry: object) -> bool:
    """Say whether a classifier is the one model of an endpoint: it cannot be one of several."""
    return isinstance(entry, CLASSIFIERS) and place[0] == "endpoints" and place[-1] == "model"


def _classifies(endpoint: Endpoint, project: ProjectFile) -> bool:
    return isinstance(endpoint.model, str) and is_classifier(endpoint.model, project)


def is_classifier(ref: str, project: ProjectFile) -> bool:
    """Say whether a reference means a classifier that is made here."""
    return isinstance(project.models.get(ref.removeprefix("models/")), CLASSIFIERS)


def as_it_is(ref: str, project: ProjectFile) -> str | None:
    """Return the path of the form that is the only one of a model; None where there are several."""
    entry = project.models[ref.partition("/")[2]]
    if isinstance(entry, Classified):
        return f"{ref}/{EMBEDDER}"
    return ref if isinstance(entry, Compressed | Shrunk) else None
