"""The house: which endpoints and embedders there are, who may use them, and their open engines.

The catalog decides and the caller's `Loaders` open; nothing is opened for somebody who may not
use it. Answering is in `inhouse.serve.answer`, HTTP in `inhouse.serve.app`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from inhouse.catalog import Catalog
from inhouse.core.access import Action, Actor, Decision
from inhouse.core.artifact import Artifact, Ref
from inhouse.core.errors import BadInput, NotFound
from inhouse.core.label import Label
from inhouse.core.nouns import Endpoint
from inhouse.core.protocols import Embedder, LanguageModel, Retriever, Sink
from inhouse.serve.chain import Chain, Link, Resting, Tried
from inhouse.serve.endpoint import Serve, by_model, settings
from inhouse.serve.engines import Engines
from inhouse.serve.loaders import Loaders
from inhouse.serve.price import Price, Prices, price_of
from inhouse.serve.turnstile import Turnstile
from inhouse.serve.upkeep import Upkeep

Kind = Literal["endpoint", "embedder"]
REMEMBERED = 1_024
"""Versions of endpoints whose make-up is kept in mind."""


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
class Offer:
    """Something an actor may use. `name` is what requests call it.

    Neither its version nor the time when that was made stands here: both move with every document
    behind an endpoint, also with those that the actor may not read. `released` is when somebody
    last decided what it is.
    """

    name: str
    kind: Kind
    path: str
    label: Label
    released: float


class House:
    """The endpoints of one catalog and the engines behind them."""

    def __init__(
        self,
        catalog: Catalog,
        loaders: Loaders,
        *,
        embedders: Mapping[str, Ref] | None = None,
        sink: Sink | None = None,
        prices: Prices | None = None,
    ) -> None:
        """Serve every endpoint of the catalog, and embedders: what requests call them -> which.

        Answers are recorded in `sink`, if there is one, with what they cost by `prices`.
        """
        self.catalog = catalog
        self.sink = sink
        self.loaders = loaders
        self._embedders_by_name = dict(embedders or {})
        self._names = {ref.path: name for name, ref in self._embedders_by_name.items()}
        self.turnstile = Turnstile()  # whoever serves says how many may be answered at once
        # Decisions are written down one after the other; threads that all wait for the database
        # would only get in each other's way.
        self._deciding = asyncio.Lock()
        self._read: dict[str, Sequence[Link]] = {}
        self._prices = prices or {}
        self._resting = Resting()
        self.models: Engines[LanguageModel] = Engines(lambda model: model.close())
        self._retrievers: Engines[Retriever] = Engines(lambda it: asyncio.to_thread(it.close))
        self._embedders: Engines[Embedder] = Engines()
        self._upkeep = Upkeep(catalog, (self.models, self._retrievers, self._embedders))

    async def offers(self, actor: Actor) -> Sequence[Offer]:
        """Return what an actor may use, by section and name."""
        return await asyncio.to_thread(self._offers, actor)

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
        decision, links = await self._decided(name, actor, version)
        async with AsyncExitStack() as held:
            turn = self.turnstile.turn(links[0].endpoint.ref.path)
            if version is None and await held.enter_async_context(turn):
                # Meanwhile a label or the version that is served may have changed.
                decision, links = await self._decided(name, actor, version)
            ref, knowledge = links[0].endpoint.ref, links[0].endpoint.knowledge
            self._upkeep.forget_others(ref)
            chain = Chain(links, self._lease, self._resting) if len(links) > 1 else None
            if chain:
                link, engine = await held.enter_async_context(chain.first())
            else:
                link = links[0]
                engine = await held.enter_async_context(self._lease(link))
            retriever = None
            if knowledge:
                found = self._retrievers.lease(
                    ref.pinned, _key(knowledge), lambda: self.loaders.retriever(knowledge)
                )
                retriever = await held.enter_async_context(found)
            yield Served(
                endpoint=link.endpoint,
                settings=link.settings,
                model=engine,
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
        owner, decision = await self._searching(name, actor)
        async with self.turnstile.turn(owner.path) as waited:
            if waited:
                owner, decision = await self._searching(name, actor)
            ref = decision.thing
            self._upkeep.forget_others(owner)
            lease = self._retrievers.lease(
                owner.pinned, _key(ref), lambda: self.loaders.retriever(ref)
            )
            async with lease as retriever:
                yield Searched(ref, retriever, decision.label)

    @asynccontextmanager
    async def embedder(self, name: str, actor: Actor) -> AsyncIterator[Encoding]:
        """Open the current version of an embedding model, and hold it until the block ends.

        Raises:
            NotFound: there is no such embedder; only those that the actor may use are named.
            Refused: its label does not admit the actor.
        """
        self._upkeep.begin()
        decision = await self._embedding(name, actor)
        async with self.turnstile.turn(decision.thing.path) as waited:
            if waited:
                decision = await self._embedding(name, actor)
            ref = decision.thing
            self._upkeep.forget_others(ref)
            artifact = await asyncio.to_thread(self.catalog.get, ref)
            lease = self._embedders.lease(ref.pinned, _key(ref), lambda: self.loaders.embedder(ref))
            async with lease as engine:
                yield Encoding(ref, artifact.digest, engine, decision.label)

    def reach(self, served: Served) -> Sequence[Decision]:
        """Return the yeses to the sources that an answer of an opened endpoint may rest on."""
        sources = self.catalog.lineage.now().sources(served.endpoint.ref.version or "")
        decide = self.catalog.access.decide
        asked = [decide(served.actor, "read", source, record=False) for source in sources]
        return [decision for decision in asked if decision.allowed]

    def opened(self) -> Mapping[str, Mapping[str, object]]:
        """Return the engines that are open, by what they are and the version that they run."""
        engines = {"knowledge": self._retrievers.open, "embedder": self._embedders.open}
        return {"model": self.models.open, **engines}

    async def close(self) -> None:
        """Close all engines."""
        await self._upkeep.close()

    def _lease(self, link: Link) -> AbstractAsyncContextManager[LanguageModel]:
        endpoint, model = link.endpoint, link.endpoint.model
        owner = endpoint.ref.pinned
        if model:
            load = partial(self.loaders.model, model)
            return self.models.lease(owner, link.key, load, size=link.size)
        # Not the key of the API: what another endpoint opened may not have the same settings.
        key = f"{_key(endpoint.ref)} {link.key}"
        return self.models.lease(owner, key, lambda: self.loaders.api(endpoint))

    def _offers(self, actor: Actor) -> Sequence[Offer]:
        found = []
        for artifact in self.catalog.list():
            kind = self._kind(artifact.ref)
            if kind is None:
                continue
            decision = self.catalog.access.decide(actor, "use", artifact.ref, record=False)
            if decision.allowed:
                name = self._names.get(artifact.ref.path, artifact.ref.name)
                found.append(
                    Offer(name, kind, artifact.ref.path, decision.label, self._released(artifact))
                )
        return found

    def _released(self, artifact: Artifact) -> float:
        history = self.catalog.releases.history(artifact.ref)
        standing = [release.at for release in history if release.withdrawn is None]
        return standing[-1] if standing else artifact.created.timestamp()

    def _kind(self, ref: Ref) -> Kind | None:
        if ref.section == "endpoints":
            return "endpoint"
        return "embedder" if ref.path in self._names else None

    def _admit(self, kind: Kind, name: str, actor: Actor) -> Decision:
        ref = self._reference(kind, name)
        if ref is None or self._kind(ref) != kind:
            known = [offer.name for offer in self._offers(actor) if offer.kind == kind]
            raise NotFound(kind, name, known)
        if kind == "endpoint":
            ref = self._use(ref, actor).thing
        return self.required(actor, "use", ref)

    def required(self, actor: Actor, action: Action, ref: Ref) -> Decision:
        """Decide. Where answers are recorded a yes stands there; a no stands in the audit log.

        Raises:
            Refused: the actor may not do that.
        """
        decide = self.catalog.access.decide
        decision = decide(actor, action, ref, record=self.sink is None)
        if self.sink and not decision.allowed:
            decision = decide(actor, action, ref)
        decision.require()
        return decision

    def _use(self, ref: Ref, actor: Actor) -> Decision:
        """Decide on the use of an endpoint, and on the version that answers.

        Of those who may use what is served, a canary answers the ones that it chooses and that
        may use it as well.
        """
        decide = self.catalog.access.decide
        decision = decide(actor, "use", ref, record=False)
        trial = self.catalog.lineage.latest.trial(ref)
        if trial and trial.kind == "canary" and decision.allowed and trial.chooses(actor.name):
            tried = decide(actor, "use", trial.ref, record=False)
            return tried if tried.allowed else decision
        return decision

    def _reference(self, kind: Kind, name: str) -> Ref | None:
        if kind == "embedder":
            ref = self._embedders_by_name.get(name.removeprefix("models/"))
            return ref if ref and self._is_made(ref) else None
        return self._named("endpoints", name)

    def _named(self, section: str, name: str) -> Ref | None:
        """Read ``desk`` or ``section/desk``; None for what names no current version."""
        try:
            ref = Ref.parse(f"{section}/{name.removeprefix(f'{section}/')}")
        except BadInput:
            return None
        return ref if ref.version is None and self._is_made(ref) else None

    def _is_made(self, ref: Ref) -> bool:
        return self.catalog.lineage.now().state(ref) is not None

    async def _searching(self, name: str, actor: Actor) -> tuple[Ref, Decision]:
        async with self._deciding:
            return await asyncio.to_thread(self._open_to, name, actor)

    async def _embedding(self, name: str, actor: Actor) -> Decision:
        async with self._deciding:
            return await asyncio.to_thread(self._admit, "embedder", name, actor)

    def _open_to(self, name: str, actor: Actor) -> tuple[Ref, Decision]:
        """Decide on a search; return whose engine it needs, and the decision."""
        ref, owner = self._named("knowledge", name), None
        if ref is None and self._named("endpoints", name):
            _, (link, *_) = self._plan(name, actor)
            endpoint = link.endpoint
            if endpoint.knowledge is None:
                raise BadInput(f"{endpoint.ref.path} has no knowledge.", "Name one that has.")
            owner, ref = endpoint.ref, endpoint.knowledge
        elif ref is None:
            raise NotFound("knowledge base", name, self._searchable(actor))
        decision = self.required(actor, "search", ref)
        return owner or decision.thing, decision

    def _searchable(self, actor: Actor) -> Sequence[str]:
        decide = self.catalog.access.decide
        return [
            artifact.ref.name
            for artifact in self.catalog.list()
            if artifact.ref.section == "knowledge"
            and decide(actor, "search", artifact.ref, record=False).allowed
        ]

    async def _decided(
        self, name: str, actor: Actor, version: Ref | None
    ) -> tuple[Decision, Sequence[Link]]:
        """Decide on the use of an endpoint; return with it the endpoint with each of its models.

        Where answers are recorded, a use that is allowed stands there and not in the audit log: so
        it costs no write of its own, and what is read is remembered, so it needs no thread.
        """
        if version:
            decision = self.catalog.access.decide(actor, "use", version, record=False)
            decision.require()
            return decision, self._made_of(version)
        ref = self._named("endpoints", name) if self.sink else None
        if ref:
            decision = self._use(ref, actor)
            if decision.allowed:
                return decision, self._made_of(decision.thing)
        async with self._deciding:
            return await asyncio.to_thread(self._plan, name, actor)

    def _plan(self, name: str, actor: Actor) -> tuple[Decision, Sequence[Link]]:
        decision = self._admit("endpoint", name, actor)
        return decision, self._made_of(decision.thing)

    def _made_of(self, ref: Ref) -> Sequence[Link]:
        if _key(ref) not in self._read:
            if len(self._read) >= REMEMBERED:
                self._read.clear()
            alone = by_model(self.catalog.get(ref))
            self._read[_key(ref)] = [self._link(endpoint) for endpoint in alone]
        return self._read[_key(ref)]

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
