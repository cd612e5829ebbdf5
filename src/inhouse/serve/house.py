"""The house: which endpoints and embedders there are, who may use them, and their open engines.

`inhouse.serve.admission` decides and the caller's `Loaders` open; nothing is opened for somebody
who may not use it. Answering is in `inhouse.serve.answer`, HTTP in `inhouse.serve.app`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass
from functools import lru_cache, partial

from inhouse.catalog import Catalog
from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.label import Label
from inhouse.core.nouns import Endpoint
from inhouse.core.protocols import Embedder, LanguageModel, OwnClasses, Retriever, Sink
from inhouse.serve.admission import Admission, Kind, Offer
from inhouse.serve.chain import Chain, Link, Resting, Tried
from inhouse.serve.endpoint import Serve, by_model, settings
from inhouse.serve.engines import Engines
from inhouse.serve.guarding import leased
from inhouse.serve.loaders import Loaders
from inhouse.serve.price import Price, Prices, price_of
from inhouse.serve.turnstile import Turnstile
from inhouse.serve.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint opened for one actor, who may use it: that was decided first.

    `label` is the endpoint's, in force at that moment. `digest` is that of the model's bytes,
    empty for somebody's API.

    Where an endpoint has several models, this is the endpoint with one of them, and `chain` has
    all: `inhouse.serve.chain` asks in turn. `tried` were passed over before this one, and it has a
    `spare` if another would be asked after it.
    """

    endpoint: Endpoint
    settings: Serve
    model: LanguageModel
    digest: str
    retriever: Retriever | None
    actor: Actor
    label: Label
    price: Price | None = None
    chain: Chain | None = None
    tried: tuple[Tried, ...] = ()
    spare: bool = False

    @property
    def model_name(self) -> str:
        """The model's reference with its full version, or what an API calls it."""
        return self.endpoint.model.pinned if self.endpoint.model else self.model.name


@dataclass(frozen=True, slots=True)
class Searched:
    """A knowledge base opened for somebody who may search it; `label` is its own."""

    ref: Ref
    retriever: Retriever
    label: Label


@dataclass(frozen=True, slots=True)
class Encoding:
    """An embedding model opened for somebody who may use it."""

    ref: Ref
    digest: str
    embedder: Embedder
    label: Label


@dataclass(frozen=True, slots=True)
class Classing:
    """A classifier opened for somebody who may use it."""

    ref: Ref
    digest: str
    classifier: OwnClasses
    label: Label


class House:
    """The endpoints of one catalog and the engines behind them."""

    def __init__(
        self,
        catalog: Catalog,
        loaders: Loaders,
        *,
        embedders: Mapping[str, Ref] | None = None,
        classifiers: Mapping[str, Ref] | None = None,
        sink: Sink | None = None,
        prices: Prices | None = None,
    ) -> None:
        """Serve every endpoint of the catalog, and models: what requests call them -> which.

        Answers are recorded in `sink`, if there is one, with what they cost by `prices`.
        """
        self.catalog = catalog
        self.sink = sink
        self.loaders = loaders
        self.admission = Admission(
            catalog,
            {"embedder": dict(embedders or {}), "classifier": dict(classifiers or {})},
            recorded=lambda: self.sink is not None,
            knowledge=lambda ref: self._made_of(ref)[0].endpoint.knowledge,
        )
        self.turnstile = Turnstile()  # whoever serves says how many may be answered at once
        self._made_of = lru_cache(maxsize=1_024)(self._links)  # versions do not change
        self._prices = prices or {}
        self._resting = Resting()
        self.models: Engines[LanguageModel] = Engines(lambda model: model.close())
        self._retrievers: Engines[Retriever] = Engines(lambda it: asyncio.to_thread(it.close))
        self._embedders: Engines[Embedder] = Engines()
        self._classifiers: Engines[OwnClasses] = Engines()
        engines = (self.models, self._retrievers, self._embedders, self._classifiers)
        self._upkeep = Upkeep(catalog, engines)

    async def offers(self, actor: Actor) -> Sequence[Offer]:
        """Return what an actor may use, by section and name."""
        return await asyncio.to_thread(self.admission.offers, actor)

    @asynccontextmanager
    async def endpoint(
        self, name: str, actor: Actor, *, version: Ref | None = None
    ) -> AsyncIterator[Served]:
        """Open the version of an endpoint that answers an actor; hold it until the block ends.

        With a `version` it is that one, whichever would answer, and it takes nobody's turn: whoever
        names one sees to it that there are not too many.

        Raises:
            NotFound: there is no such endpoint; only those that the actor may use are named.
            Refused: its label does not admit the actor.
        """
        self._upkeep.begin()
        decision = await self._decided(name, actor, version)
        turn = self.turnstile.turn(decision.thing.path) if version is None else nullcontext()
        async with turn as waited:
            if waited:  # meanwhile a label or the version that is served may have changed
                decision = await self._decided(name, actor, version)
            links = self._made_of(decision.thing)
            ref, knowledge = links[0].endpoint.ref, links[0].endpoint.knowledge
            self._upkeep.forget_others(ref)
            chain = Chain(links, self._lease, self._resting) if len(links) > 1 else None
            opened = chain.first() if chain else self._lease(links[0])
            search = self._search(ref, knowledge) if knowledge else nullcontext()
            async with opened as found, search as retriever:
                link, model = found if isinstance(found, tuple) else (links[0], found)
                yield Served(
                    endpoint=link.endpoint,
                    settings=link.settings,
                    model=model,
                    digest=link.digest,
                    retriever=retriever,
                    actor=actor,
                    label=decision.label,
                    price=link.price,
                    chain=chain,
                )

    @asynccontextmanager
    async def knowledge(self, name: str, actor: Actor) -> AsyncIterator[Searched]:
        """Open a knowledge base by its name or that of an endpoint, until the block ends.

        A bare name is that of a knowledge base if there is one.

        Raises:
            NotFound: there is no such thing; only those that the actor may search are named.
            Refused: the actor may read none of its sources, or not all that its embedder learnt
                from, or not use the endpoint.
            BadInput: the endpoint has no knowledge.
        """
        self._upkeep.begin()
        owner, decision = await self.admission.search(name, actor)
        async with self.turnstile.turn(owner.path) as waited:
            if waited:
                owner, decision = await self.admission.search(name, actor)
            ref = decision.thing
            self._upkeep.forget_others(owner)
            async with self._search(owner, ref) as retriever:
                yield Searched(ref, retriever, decision.label)

    @asynccontextmanager
    async def embedder(self, name: str, actor: Actor) -> AsyncIterator[Encoding]:
        """Open the current version of an embedding model, and hold it until the block ends.

        Raises:
            NotFound: there is no such embedder; only those that the actor may use are named.
            Refused: its label does not admit the actor.
        """
        load, engines = self.loaders.embedder, self._embedders
        async with self._model("embedder", name, actor) as (decision, digest):
            ref = decision.thing
            async with engines.lease(ref.pinned, _key(ref), lambda: load(ref)) as engine:
                yield Encoding(ref, digest, engine, decision.label)

    @asynccontextmanager
    async def classifier(self, name: str, actor: Actor) -> AsyncIterator[Classing]:
        """Open the current version of a classifier, as `embedder` does."""
        load, engines = self.loaders.classifier, self._classifiers
        async with self._model("classifier", name, actor) as (decision, digest):
            ref = decision.thing
            async with engines.lease(ref.pinned, _key(ref), lambda: load(ref)) as engine:
                yield Classing(ref, digest, engine, decision.label)

    @asynccontextmanager
    async def _model(
        self, kind: Kind, name: str, actor: Actor
    ) -> AsyncIterator[tuple[Decision, str]]:
        """Give the yes to the use of a model and the digest of its bytes, when it has its turn."""
        self._upkeep.begin()
        decision = await self.admission.model(kind, name, actor)
        async with self.turnstile.turn(decision.thing.path) as waited:
            if waited:
                decision = await self.admission.model(kind, name, actor)
            self._upkeep.forget_others(decision.thing)
            artifact = await asyncio.to_thread(self.catalog.get, decision.thing)
            yield decision, artifact.digest

    def served(self) -> Sequence[Ref]:
        """Return the version of each endpoint that is served; those of APIs alone come first."""
        return sorted(self.catalog.heads("endpoints"), key=lambda ref: self._made_of(ref)[0].size)

    async def prepare(self, version: Ref) -> bool:
        """Open what a version of an endpoint answers with; return whether there was room for it.

        Raises:
            InhouseError: it cannot be opened.
        """
        self._upkeep.begin()
        links = await asyncio.to_thread(self._made_of, version)
        knowledge, size, models = links[0].endpoint.knowledge, links[0].size, self.models
        known = links[0].key in models.open
        room = known or not size or not models.size or models.size + size <= models.budget
        async with AsyncExitStack() as held:
            if knowledge:
                await held.enter_async_context(self._search(version, knowledge))
            if room and len(links) > 1:
                chain = Chain(links, self._lease, self._resting)
                await held.enter_async_context(chain.first())
            elif room:
                await held.enter_async_context(self._lease(links[0]))
        return room

    def reach(self, served: Served) -> Sequence[Decision]:
        """Return the yeses to the sources that an answer of an opened endpoint may rest on."""
        if served.retriever is None:
            return ()
        now, judge = self.catalog.lineage.now(), self.catalog.access.judge
        sources = now.sources(served.endpoint.ref.version or "")
        asked = [judge(served.actor, "read", source, now) for source in sources]
        return [decision for decision in asked if decision.allowed]

    def opened(self) -> Mapping[str, Mapping[str, object]]:
        """Return the engines that are open, by what they are and the version that they run."""
        return {
            "model": self.models.open,
            "knowledge": self._retrievers.open,
            "embedder": self._embedders.open,
            "classifier": self._classifiers.open,
        }

    async def close(self) -> None:
        """Close all engines."""
        await self._upkeep.close()

    def _lease(self, link: Link) -> AbstractAsyncContextManager[LanguageModel]:
        endpoint, model = link.endpoint, link.endpoint.model
        owner = endpoint.ref.pinned
        if model:
            load = partial(self.loaders.model, model)
            lease = self.models.lease(owner, link.key, load, size=link.size)
            return leased(lease, link.settings.guard)
        # Not the key of the API: what another endpoint opened may not have the same settings.
        key = f"{_key(endpoint.ref)} {link.key}"
        lease = self.models.lease(owner, key, lambda: self.loaders.api(endpoint))
        return leased(lease, link.settings.guard)

    def _search(self, owner: Ref, knowledge: Ref) -> AbstractAsyncContextManager[Retriever]:
        load = partial(self.loaders.retriever, knowledge)
        return self._retrievers.lease(owner.pinned, _key(knowledge), load)

    async def _decided(self, name: str, actor: Actor, version: Ref | None) -> Decision:
        if version is None:
            return await self.admission.endpoint(name, actor)
        decision = self.catalog.access.decide(actor, "use", version, record=False)
        decision.require()
        return decision

    def _links(self, version: Ref) -> Sequence[Link]:
        return [self._link(endpoint) for endpoint in by_model(self.catalog.get(version))]

    def _link(self, endpoint: Endpoint) -> Link:
        model, settled = endpoint.model, settings(endpoint)
        price = price_of(endpoint, self._prices)
        if model is None:
            return Link(endpoint, settled, "", price, " ".join(settled.api.values()))
        artifact = self.catalog.get(model)
        size = sum(file.size for file in artifact.files.values())
        return Link(endpoint, settled, artifact.digest, price, _key(model), size)


def _key(ref: Ref) -> str:
    return ref.version or ""
