"""An endpoint as an artifact: a pinned model, perhaps a pinned knowledge base, and a few settings.

It is made of references alone and has no files; opening the engines is the house's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inhouse.core.artifact import Artifact
from inhouse.core.errors import BadInput
from inhouse.core.nouns import Endpoint
from inhouse.core.stage import Context, Inputs, Result, Stage

MODEL = "model"
KNOWLEDGE = "knowledge"
MAX_TOP = 50


@dataclass(frozen=True, slots=True)
class Serve:
    """The settings of an endpoint.

    Its model is the parent with the role ``model`` (flow ``carry``) or, if `api` has a ``url``
    and a ``name``, somebody's API. Its knowledge base is the parent ``knowledge`` (flow
    ``filter``), asked for the `top` best sections. `instructions` go into the system prompt. With
    `check`, only what its sections bear out is let through; see `inhouse.serve.support`.
    """

    top: int = 5
    api: Mapping[str, str] = field(default_factory=dict)
    instructions: str = ""
    check: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.top <= MAX_TOP:
            raise BadInput(
                f"An endpoint cannot take the top {self.top} sections.",
                f"Give a number from 1 to {MAX_TOP}.",
            )
        if self.api and set(self.api) != {"url", "name"}:
            raise BadInput(
                f"The API of an endpoint has the fields {', '.join(sorted(self.api))}.",
                "Give it exactly a url and a name; its key stays out of the store.",
            )


def run(spec: Serve, inputs: Inputs, ctx: Context) -> Result:
    """Check that the endpoint has exactly one model.

    Raises:
        BadInput: it has none, or two.
    """
    if (MODEL in inputs) == bool(spec.api):
        raise BadInput(
            "An endpoint needs one model: one of the store's or somebody's API.",
            "Name either a model or an api, not both.",
        )
    return Result({role: str(entry.artifact.ref) for role, entry in sorted(inputs.items())})


STAGE = Stage("serve.endpoint", 1, run)


def read_endpoint(artifact: Artifact) -> Endpoint:
    """Return the endpoint that an artifact of `STAGE` stands for."""
    parents = {edge.role: edge.parent for edge in artifact.parents}
    return Endpoint(
        ref=artifact.ref,
        model=parents.get(MODEL),
        knowledge=parents.get(KNOWLEDGE),
        top=artifact.params["top"],
        params=artifact.params,
    )
