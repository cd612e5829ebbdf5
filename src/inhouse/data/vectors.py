"""Through which vectors a small classifier sees texts: an embedder's, or hashed n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inhouse.core.artifact import Input

if TYPE_CHECKING:
    from inhouse.models.classifier import Vectorise


def vectoriser(embedder: Input | None) -> Vectorise:
    """Return what turns texts into vectors: a built embedder, else words and pairs of words."""
    from inhouse.models.ngrams import hashed

    if embedder is None:
        return hashed
    from inhouse.models.load import load_embedder

    return load_embedder(embedder.folder).embed
