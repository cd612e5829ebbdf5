"""How large a language model is, as far as known before it is there: by its own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inhouse.catalog import Catalog
from inhouse.core.artifact import Ref
from inhouse.core.errors import InhouseError
from inhouse.core.paths import located
from inhouse.core.stage import Recipe
from inhouse.models.builtin import BUILTINS
from inhouse.models.pull import Pull
from inhouse.models.sources import parse_source
from inhouse.models.weight_files import read_json
from inhouse.train.blank import Blank
from inhouse.train.language import BASE

CONFIG = "config.json"
ORIGINS = (BASE, "weights")
"""Roles of what a model has its sizes from."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model of the Llama family: of its words, vectors, layers and heads."""

    words: int
    width: int
    inner: int
    layers: int
    heads: int
    shared: int
    head: int
    tied: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """Return the sizes that settings say.

        Raises:
            KeyError: one of them is missing.
        """
        width, heads = config["hidden_size"], config["num_attention_heads"]
        return cls(
            config["vocab_size"],
            width,
            config["intermediate_size"],
            config["num_hidden_layers"],
            heads,
            config.get("num_key_value_heads") or heads,
            config.get("head_dim") or width // heads,
            bool(config.get("tie_word_embeddings")),
        )

    @property
    def matrices(self) -> int:
        """How many weights are multiplied with each token."""
        attention = 2 * self.width * self.head * (self.heads + self.shared)
        layer = attention + 3 * self.width * self.inner
        return self.layers * layer + self.words * self.width

    @property
    def parameters(self) -> int:
        """How many weights there are, but for the few of norms."""
        return self.matrices + (0 if self.tied else self.words * self.width)

    def work(self, length: int, *, adapter: bool) -> float:
        """Return the operations that a token of a row of `length` takes in a step of training."""
        attention = 6 * self.layers * self.heads * self.head * length
        return float(self.matrices * (4 if adapter else 6) + attention)


def shape_of(ref: Ref, catalog: Catalog, recipes: Mapping[str, Recipe]) -> Shape | None:
    """Return the sizes of a model that is there, or will be made or pulled; None if not known."""
    try:
        config = _config(ref, catalog, recipes)
        return Shape.of(config) if config else None
    except (KeyError, TypeError, OSError, InhouseError):
        return None


def _config(ref: Ref, catalog: Catalog, recipes: Mapping[str, Recipe]) -> Mapping[str, Any] | None:
    found = catalog.find(ref)
    if found is not None and CONFIG in found.files:
        # Its own settings alone are read: to open all of it is to verify all of its weights.
        return read_json(catalog.blobs.path(found.files[CONFIG].digest))
    recipe = recipes.get(ref.path)
    if recipe is None:
        return None
    spec = recipe.spec
    if isinstance(spec, Blank):
        return spec.config(spec.words)
    if isinstance(spec, Pull):
        return _pulled(spec)
    origins = [edge.parent for edge in recipe.parents if edge.role in ORIGINS]
    return _config(origins[0], catalog, recipes) if origins else None


def _pulled(spec: Pull) -> Mapping[str, Any] | None:
    """Return the settings of what is not pulled yet: of a folder here, or of what has a name."""
    source = parse_source(spec.url)
    if source.scheme == "file":
        return read_json(located(source.name, Path(spec.root)) / CONFIG)
    return next((dict(one.config) for one in BUILTINS.values() if one.url == spec.url), None)
