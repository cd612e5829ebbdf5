"""How language models of the project learn: their tokens, the training, and weights to begin with.

It says stage, spec and parents; the table of all types of entries is in `model_steps`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from inhouse.core.errors import BadInput
from inhouse.core.stage import Recipe
from inhouse.data import collect, hub, shards
from inhouse.models import build, ready
from inhouse.project.data_schema import Sharded
from inhouse.project.made import Around, Made
from inhouse.project.mix_schema import Mixed
from inhouse.project.schema import Model, ProjectFile
from inhouse.project.scratch_schema import Scratch
from inhouse.project.train_schema import Trained
from inhouse.project.watching import watched
from inhouse.train import language, prefer, stretch, tokenise

WEIGHTS, ADAPTER = "weights", "adapter"
MERGED = "transformers"
"""The form of a model that is plain weights, with an adapter added: what others can begin with."""
STRETCHED = "stretched"
VOCABULARY = "vocabulary"
BY_METHOD = {
    "continue": "documents",
    "instruct": "chats",
    "prefer": "preferences",
    "scratch": "documents",
}


def trained(name: str, entry: Trained, around: Around) -> Sequence[Made]:
    """Return how a model is trained, what it needs for that first.

    Raises:
        BadInput: the method cannot learn from the mix.
    """
    check_rows(entry, around.recipes)
    path, project = f"models/{name}", around.project
    found = [tokens_of(entry.base, ref, project) for ref in entry.sources]
    parents = [(made.parents[0][1], made.path) for made in found]
    base = _begun_with(path, project)
    if entry.context:
        longer = stretch.Stretch(entry.context)
        found.append(Made(base, stretch.STAGE, longer, weights_of(entry.base, project)))
    elif base != entry.base:
        spec = ready.Ready("transformers")
        found.append(Made(base, ready.STAGE, spec, weights_of(entry.base, project)))
    parents.insert(0, (language.BASE, base))
    learnt = isinstance(project.models[entry.base.partition("/")[2]], Trained | Scratch)
    if learnt and base != entry.base:
        parents.append((language.BEFORE, entry.base))
    parents += [(ref, ref) for ref in entry.watch.suites]
    stage = prefer.STAGE if entry.method == "prefer" else language.STAGE
    return [*found, Made(path, watched(stage), _spec(name, entry, around), parents)]


def _length(entry: Trained, project: ProjectFile) -> int:
    """Return how many tokens a row takes: if nothing is said, no more than an own base reads.

    Raises:
        BadInput: more are asked for than it reads.
    """
    limit = entry.context or _limit(entry.base, project)
    if limit is None or entry.length <= limit:
        return entry.length
    if "length" not in entry.model_fields_set:
        return limit
    raise BadInput(
        f"{entry.base} reads {limit} tokens at most, and a row takes {entry.length}.",
        f"Set 'length' to {limit} or less, or 'context' to more.",
    )


def _limit(ref: str, project: ProjectFile) -> int | None:
    """Return how many tokens a model reads as far as the project file says it."""
    entry = project.models[ref.partition("/")[2]]
    if isinstance(entry, Scratch):
        return entry.length
    return entry.context or _limit(entry.base, project) if isinstance(entry, Trained) else None


def _spec(name: str, entry: Trained, around: Around) -> language.Language:
    project = around.project
    preferring = entry.method == "prefer"
    make = partial(prefer.Prefer, beta=entry.beta) if preferring else language.Language
    return make(
        method=entry.method,
        **read_of(entry),
        length=_length(entry, project),
        batch=entry.batch,
        rate=entry.rate,
        lora=entry.rank,
        watch=entry.watch.every,
        processes=entry.shared_by,
        **entry.aside(name, around.root),
    )


def read_of(entry: Mixed) -> dict[str, Any]:
    """Return what a stage is told of how much is read."""
    if entry.stages is not None:
        return {"mix": (), "stages": tuple(entry.legs)}
    (leg,) = entry.legs
    return {"mix": leg.mix, "mix_by": leg.by, "tokens": leg.tokens, "epochs": leg.epochs}


def tokens_of(base: str, ref: str, project: ProjectFile) -> Made:
    """Return how a data set becomes tokens of the model that all of a line begin with.

    Training changes no tokenizer, so what is trained anew needs no new tokens.

    Raises:
        BadInput: they are tokens already, of another model.
    """
    origin = pulled(base, project)
    entry = project.data[ref.split("/")[1]]
    if isinstance(entry, Sharded) and pulled(entry.of, project) != origin:
        raise BadInput(
            f"{ref} holds tokens of {entry.of}, and {base} has another tokenizer.",
            f"Train a model that begins with {entry.of}, or take it out of the mix.",
        )
    path = f"{origin}/tokens-{ref.removeprefix('data/').replace('/', '--')}"
    own = isinstance(project.models[origin.partition("/")[2]], Scratch)
    model = f"{origin}/{VOCABULARY}" if own else origin
    return Made(path, tokenise.STAGE, tokenise.Tokenise(), [("data", ref), ("model", model)])


def pulled(ref: str, project: ProjectFile) -> str:
    """Return the model that a model was made of, step by step, and that itself was made of none.

    Raises:
        BadInput: it was made small, and nothing is made of that.
    """
    entry = project.models[ref.partition("/")[2]]
    if isinstance(entry, Model | Scratch):
        return ref
    if not isinstance(entry, Trained):
        raise BadInput(
            f"{ref!r} was made small, and cannot learn or become smaller.",
            "Name the model that it was made of.",
        )
    return pulled(entry.base, project)


def runs_as(ref: str, project: ProjectFile) -> tuple[ready.EngineName, build.Precision]:
    """Return the engine and the precision of a language model: what is trained has its base's.

    llama-server runs files that nothing here writes, so what was trained from one runs elsewhere.
    """
    origin = project.models[pulled(ref, project).partition("/")[2]]
    if isinstance(origin, Scratch):
        return "openvino", "int8"
    assert isinstance(origin, Model)
    is_pulled = isinstance(project.models[ref.partition("/")[2]], Model)
    engine = origin.engine if is_pulled or origin.engine != "llama" else "openvino"
    return engine, origin.precision or "int8"


def weights_of(ref: str, project: ProjectFile) -> list[tuple[str, str]]:
    """Return what the weights of a model are put together from, as pairs of role and path."""
    entry = project.models[ref.partition("/")[2]]
    if isinstance(entry, Trained) and entry.rank:
        return [(WEIGHTS, _begun_with(ref, project)), (ADAPTER, ref)]
    if isinstance(entry, Model) and entry.adapter:
        return [(WEIGHTS, ref), (ADAPTER, f"{ref}/{ADAPTER}")]
    return [(WEIGHTS, ref)]


def whole(ref: str, project: ProjectFile) -> str:
    """Return the path of a model's weights as one: itself, or with the adapter added."""
    return ref if len(weights_of(ref, project)) == 1 else f"{ref}/{MERGED}"


def _begun_with(ref: str, project: ProjectFile) -> str:
    """Return the path of the weights that a trained model began with."""
    entry = project.models[ref.partition("/")[2]]
    assert isinstance(entry, Trained)
    return f"{ref}/{STRETCHED}" if entry.context else whole(entry.base, project)


def check_rows(entry: Trained | Scratch, recipes: Mapping[str, Recipe]) -> None:
    """Refuse a mix from which the method cannot learn, as far as kinds are known beforehand.

    Raises:
        BadInput: a method is given rows of another one; `instruct` may have documents too.
    """
    for ref in entry.sources:
        part = ref.replace("--", "/", 1)
        if part != ref and part in recipes:
            raise BadInput(f"the tokens of {ref} and of {part} would share a name.", "Rename one.")
    kinds = {ref: kind_of_rows(ref, recipes) for ref in entry.sources}
    wanted = BY_METHOD[entry.method]
    for ref, kind in kinds.items():
        if kind not in (None, wanted) and (entry.method, kind) != ("instruct", "documents"):
            method = next((m for m, of in BY_METHOD.items() if of == kind), None)
            raise BadInput(
                f"{ref} holds {kind}, and 'method: {entry.method}' learns from {wanted}.",
                f"Use method: {method}." if method else f"Name data sets of {wanted}.",
            )
    if entry.method == "instruct" and set(kinds.values()) == {"documents"}:
        raise BadInput(
            f"{' and '.join(kinds)} hold documents, and 'method: instruct' learns from chats.",
            "Use method: continue, or add a data set of chats.",
        )


def kind_of_rows(ref: str, recipes: Mapping[str, Recipe]) -> str | None:
    """Return what the rows of a data set are, going by the files at its root; None if unknown."""
    recipe = recipes[ref]
    if isinstance(recipe.spec, collect.Collect | hub.Hub):
        return recipe.spec.kind
    if isinstance(recipe.spec, shards.Shards):
        return "documents"
    sources = [e.parent.path for e in recipe.parents if e.role in (e.parent.path, "data")]
    found = {kind_of_rows(source, recipes) for source in sources}
    return found.pop() if len(found) == 1 else None
