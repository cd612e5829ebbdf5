"""An endpoint as an artifact: pinned models, perhaps a pinned knowledge base, and a few settings.

It is made of references alone and has no files; opening the engines is the house's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from inhouse.core.artifact import Artifact, Edge, Ref
from inhouse.core.errors import BadInput
from inhouse.core.nouns import SUPPORTED, Endpoint
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage

Mode = Literal["compose", "extract"]

MODEL = "model"
KNOWLEDGE = "knowledge"
EMBEDDER = "embedder"
DOCUMENTS = (KNOWLEDGE, EMBEDDER)
TOP, MAX_TOP = 5, 50


@dataclass(frozen=True, slots=True)
class Serve:
    """The settings of an endpoint.

    Its model is the parent with the role ``model`` (flow ``carry``) or, if `api` has a ``url``
    and a ``name``, somebody's API. Its knowledge base is the parent ``knowledge`` (flow
    ``filter``), and what finds its sections is ``embedder``; it is asked for the `top` best.
    `instructions` go into the system prompt.

    With `check`, only what its sections bear out is let through (see `inhouse.serve.gate`),
    and a question that they support less than `support` is refused. The `mode` says whether the
    model composes an answer from the sections, or the best one is quoted and the model may only
    sum it up. `rewrite` says that the model can be asked to make the question of a later turn stand
    alone, and is heard if it finds no answer; None means: if it is somebody's API.

    Where several models are asked in turn, `chain` has them all in their order, as APIs or as the
    ``role`` of a parent, and `api` is empty.

    `guard` says what becomes of personal data in requests and answers (see
    `inhouse.serve.guarding`).
    """

    top: int = TOP
    api: Mapping[str, str] = field(default_factory=dict)
    instructions: str = ""
    check: bool = True
    mode: Mode = "compose"
    support: float = SUPPORTED
    rewrite: bool | None = None
    chain: Sequence[Mapping[str, str]] = field(default=(), metadata={"identity": "unless default"})
    guard: Mapping[str, str] = field(default_factory=dict, metadata={"identity": "unless default"})

    def __post_init__(self) -> None:
        if not 1 <= self.top <= MAX_TOP:
            raise BadInput(
                f"An endpoint cannot take the top {self.top} sections.",
                f"Give a number from 1 to {MAX_TOP}.",
            )
        for api in (self.api, *(link for link in self.chain if set(link) != {"role"})):
            if api and set(api) - {"key"} != {"url", "name"}:
                raise BadInput(
                    f"The API of an endpoint has the fields {', '.join(sorted(api))}.",
                    "Give it a url, a name and perhaps, as key, the variable that holds its key.",
                )
        if any(link in self.chain[:place] for place, link in enumerate(self.chain)):
            raise BadInput(
                "A model stands twice among those of an endpoint.", "Take one of them out."
            )
        if not 0 <= self.support <= 1:
            raise BadInput(
                f"An endpoint cannot ask for a support of {self.support:g}.",
                "Give a number from 0 (never refuse) to 1.",
            )
        if self.mode == "extract" and not self.check:
            raise BadInput(
                "An endpoint that extracts always checks what its model adds.",
                "Leave check out, or set the mode to compose.",
            )

    @property
    def bar(self) -> float:
        """The support below which a question is refused."""
        return self.support if self.check else 0.0

    @property
    def able(self) -> bool:
        """Whether the model can rewrite a question, and tell when there is no answer.

        SmolLM2-135M cannot: it found none for 4 of 18 questions whose answer it was shown, and for
        3 of the same 18 without it.
        """
        return bool(self.api) if self.rewrite is None else self.rewrite


def run(spec: Serve, inputs: Inputs, ctx: Context) -> Result:
    """Check that the endpoint has one model, or those of its chain, and something to extract from.

    Raises:
        BadInput: it has none, or another number, or it is to extract without knowledge.
    """
    owned = {role for role in inputs if role == MODEL or role.startswith(f"{MODEL}.")}
    wanted = {link["role"] for link in _chain(spec) if "role" in link}
    if owned != wanted or (spec.api and spec.chain):
        raise BadInput(
            "An endpoint needs one model: one of the store's or somebody's API.",
            "Name either a model or an api, not both; or name several as a chain.",
        )
    if spec.mode == "extract" and KNOWLEDGE not in inputs:
        raise BadInput("An endpoint without knowledge has nothing to extract.", "Name a knowledge.")
    return Result({role: str(entry.artifact.ref) for role, entry in sorted(inputs.items())})


STAGE = Stage("serve.endpoint", 1, run)


def over(released: Artifact, documents: Iterable[Edge]) -> Recipe:
    """Return the recipe of an endpoint that does what a version did, over other documents."""
    kept = [edge for edge in released.parents if edge.role not in DOCUMENTS]
    ref = Ref(released.ref.section, released.ref.name)
    return Recipe(ref, STAGE, settings(read_endpoint(released)), (*kept, *documents))


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


def role(place: int) -> str:
    """Return the role of a model of the store by its place among an endpoint's models, from 0."""
    return f"{MODEL}.{place + 1}" if place else MODEL


def by_model(artifact: Artifact) -> Sequence[Endpoint]:
    """Return what an endpoint would be with each of its models alone, in their order."""
    endpoint = read_endpoint(artifact)
    spec = settings(endpoint)
    if not spec.chain:
        return (endpoint,)
    parents = {edge.role: edge.parent for edge in artifact.parents}
    return [
        replace(
            endpoint,
            model=parents.get(link.get("role", "")),
            params={**endpoint.params, "api": {} if "role" in link else link},
        )
        for link in spec.chain
    ]


def _chain(spec: Serve) -> Sequence[Mapping[str, str]]:
    return spec.chain or [spec.api or {"role": MODEL}]


def settings(endpoint: Endpoint) -> Serve:
    """Return the settings of an endpoint; one that was made before a setting has its default."""
    known = {each.name for each in fields(Serve)}
    return Serve(**{name: value for name, value in endpoint.params.items() if name in known})
