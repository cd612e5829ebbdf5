"""Opens what endpoints are made of: the place where models and knowledge meet the house."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from inhouse.catalog import Catalog
from inhouse.catalog.rows import find_document
from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.errors import NotSetUp
from inhouse.core.nouns import Endpoint, Section
from inhouse.core.protocols import Embedder, LanguageModel, OwnClasses

# What opens knowledge and models brings numpy along, which somebody else's API does not need.
if TYPE_CHECKING:
    from inhouse.core.protocols import Retriever
    from inhouse.models.embedder import LocalEmbedder

EMBEDDER = "openvino-f16"
"""What the form of an embedder or classifier that runs is called, behind its weights' name."""


class Loaders:
    """Opens pinned artifacts of one catalog.

    An endpoint names the environment variable with its API's key. The key itself is read when the
    API is opened, and is stored nowhere.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._embedders: WeakValueDictionary[str, LocalEmbedder] = WeakValueDictionary()
        self._opening = Lock()

    def model(self, ref: Ref) -> LanguageModel:
        """Open a pinned model of the store, after checking its bytes: one of those that write.

        A classifier stands in its place at an endpoint that classifies.
        """
        from inhouse.models.load import load_classifier, load_language

        opened = self._catalog.load(ref)
        if opened.artifact.summary.get("kind") == "classifier":
            return load_classifier(opened.folder, name=ref.path)
        engine = opened.artifact.params.get("engine", "openvino")
        return load_language(opened.folder, name=ref.path, engine=engine)

    def api(self, endpoint: Endpoint) -> LanguageModel:
        """Open somebody's API; one that others come after is not waited for as long.

        Raises:
            NotSetUp: the environment variable with its key is not set.
        """
        from inhouse.models.remote import BRIEF, PATIENT, Provider, RemoteModel

        api, chain = endpoint.params["api"], endpoint.params.get("chain", ())
        variable = api.get("key")
        key = os.environ.get(variable) if variable else None
        if variable and not key:
            raise NotSetUp(
                f"{endpoint.ref.path} needs the environment variable {variable}.",
                f"Set it to the provider's key before the start: export {variable}=…",
            )
        patience = BRIEF if chain and api != chain[-1] else PATIENT
        return RemoteModel(api["name"], Provider(api["url"], api["name"], key=key), patience)

    def retriever(self, ref: Ref) -> Retriever:
        """Open a pinned knowledge base, guarded by the labels of its sources."""
        from inhouse.knowledge.search import GuardedSearch, KnowledgeBase

        opened = self._catalog.load(ref)
        parents = opened.artifact.parents
        (embedder,) = (edge.parent for edge in parents if edge.role == "embedder")
        # The versions that the index was made of: by now their names may mean others.
        indexed = {edge.parent.path: edge.parent for edge in parents}
        base = KnowledgeBase(opened.folder, self.embedder(embedder))

        def decide(actor: Actor, source: str) -> Decision:
            return self._catalog.access.decide(actor, "read", indexed[source], record=False)

        return GuardedSearch(base, decide)

    def embedder(self, ref: Ref) -> Embedder:
        """Open a pinned embedder, after checking its bytes; all who need it share one."""
        from inhouse.models.load import load_embedder

        with self._opening:
            found = self._embedders.get(ref.pinned)
            if found is None:
                found = load_embedder(self._catalog.load(ref).folder)
                self._embedders[ref.pinned] = found
            return found

    def classifier(self, ref: Ref) -> OwnClasses:
        """Open a pinned classifier, after checking its bytes."""
        from inhouse.models.load import load_classifier

        return load_classifier(self._catalog.load(ref).folder, name=ref.path)

    def section(self, source: Ref, id: str) -> Section | None:
        """Return a section of a pinned source, after checking its bytes once."""
        from inhouse.knowledge.sections import document_path, find_section

        opened = self._catalog.load(source, again=False)
        ref = opened.artifact.ref
        document = find_document(opened.folder, document_path(ref, id))
        return find_section([document], ref, id) if document else None
