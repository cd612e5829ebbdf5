"""What the house asks of whoever opens models and knowledge for it; it does not say how."""

from __future__ import annotations

from typing import Protocol

from inhouse.core.artifact import Ref
from inhouse.core.nouns import Endpoint, Section
from inhouse.core.protocols import Embedder, LanguageModel, OwnClasses, Retriever


class Loaders(Protocol):
    """How to open what endpoints are made of. Called on a thread, once per version."""

    def model(self, ref: Ref) -> LanguageModel:
        """Open a pinned model of the store."""
        ...

    def api(self, endpoint: Endpoint) -> LanguageModel:
        """Open the API that ``endpoint.params["api"]`` names.

        Where it is one of several models, ``endpoint.params["chain"]`` has all in their order.
        """
        ...

    def retriever(self, ref: Ref) -> Retriever:
        """Open a pinned knowledge base."""
        ...

    def embedder(self, ref: Ref) -> Embedder:
        """Open a pinned embedding model."""
        ...

    def classifier(self, ref: Ref) -> OwnClasses:
        """Open a pinned classifier."""
        ...

    def section(self, source: Ref, id: str) -> Section | None:
        """Return a section of a pinned source; None if that has no such one.

        Raises:
            NotFound: that version of the source is no longer kept.
        """
        ...
