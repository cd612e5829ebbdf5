"""In which form a language model is served: as its engine runs it, made of its weights."""

from __future__ import annotations

from inhouse.models import build, ready
from inhouse.project.made import Made
from inhouse.project.schema import ProjectFile
from inhouse.project.train_steps import runs_as, weights_of

LANGUAGE = "openvino"


def form_of(ref: str, project: ProjectFile) -> Made:
    """Return how the form is made in which a language model of the project is served."""
    engine, precision = runs_as(ref, project)
    parents = weights_of(ref, project)
    if engine != LANGUAGE:
        return Made(f"{ref}/{engine}", ready.STAGE, ready.Ready(engine), parents)
    spec = build.Build(precision=precision)
    return Made(f"{ref}/{LANGUAGE}-{spec.precision}", build.STAGE, spec, parents)
