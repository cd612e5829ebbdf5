"""How models are made of other ones: for each type of entry under `models:`, what it takes.

What a method takes is said beside its stage's schema (`train_steps`, `compress_steps`); putting it
in order is the business of `steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inhouse.core.errors import BadInput
from inhouse.knowledge import index
from inhouse.models import build
from inhouse.project.classify_schema import Classified
from inhouse.project.compress_schema import Compressed
from inhouse.project.compress_steps import compressed, require_compress
from inhouse.project.loaders import EMBEDDER
from inhouse.project.made import Around, Made
from inhouse.project.schema import Adapted
from inhouse.project.shrink_schema import Shrunk
from inhouse.project.shrink_steps import shrunk
from inhouse.project.train_schema import Trained
from inhouse.project.train_steps import kind_of_rows, trained, weights_of
from inhouse.train import classify, embed, language


@dataclass(frozen=True, slots=True)
class Way:
    """How entries of a type become models.

    Args:
        made: says what is made for an entry, the model itself and what is needed for it, parents
            first; it is given the name, the entry, and what is around it.
        require: makes sure that what does the work is installed.
        key: the key of the entry that an error of `made` is about.
    """

    made: Callable[[str, Any, Around], Sequence[Made]]
    require: Callable[[], None]
    key: str


def _adapted(name: str, entry: Adapted, _: Around) -> Sequence[Made]:
    parents = [("base", entry.base), *((ref, ref) for ref in entry.sources)]
    return [Made(f"models/{name}", _ADAPT, embed.Embed(), parents)]


def _classified(name: str, entry: Classified, around: Around) -> Sequence[Made]:
    kind = kind_of_rows(entry.examples, around.recipes)
    if kind not in (None, "examples"):
        raise BadInput(
            f"{entry.examples} holds {kind}, and 'method: classify' learns from examples.",
            "Name a data set of texts with labels.",
        )
    path = f"models/{name}"
    parents = [("base", entry.base), ("examples", entry.examples)]
    served = build.Build("classifier")
    return [
        Made(path, classify.STAGE, classify.Classify(), parents),
        Made(f"{path}/{EMBEDDER}", build.STAGE, served, weights_of(path, around.project)),
    ]


def _nothing() -> None:
    """Nothing is required: what trains layers again asks for itself."""


_ADAPT = embed.stage(index.sections_of)
WAYS: Mapping[type, Way] = {
    Adapted: Way(_adapted, embed.require_train, "base"),
    Classified: Way(_classified, lambda: embed.require_train("Training a classifier"), "examples"),
    Compressed: Way(compressed, require_compress, "compress"),
    Trained: Way(trained, language.require_train, "mix"),
    Shrunk: Way(shrunk, _nothing, "compress"),
}
