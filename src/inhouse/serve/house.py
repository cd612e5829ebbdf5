"""The house: which endpoints and embedders there are, who may use them, and their open engines.

The catalog decides and the caller's `Loaders` open; nothing is opened for somebody who may not
use it. Answering is in `inhouse.serve.answer`, HTTP in `inhouse.serve.app`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal, TypeVar

from inhouse.catalog import Catalog
from inhouse.catalog.lineage import Moment
from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
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

T = TypeVar("T")

Kind = Literal["endpoint", "embedder"]


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
    """Something an actor may use. `name` is what requests call it."""

    name: str
    kind: Kind
    ref: Ref
    label: Label
    created: datetime


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
        self._models: Engines[LanguageModel] = Engines(lambda model: model.close())
        self._retrievers: Engines[Retriever] = Engines(lambda it: asyncio.to_thread(it.close))
        self._embedders: Engines[Embedder] = Engines()
        self._upkeep = Upkeep(catalog, (self._models, self._retrievers, self._embedders))

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
        decide = partial(self._plan, name, actor, version)
        decision, links = await self._decided(decide)
        async with AsyncExitStack() as held:
            turn = self.turnstile.turn(links[0].endpoint.ref.path)
            if version is None and await held.enter_async_context(turn):
                # Meanwhile a label or the version that is served may have changed.
                decision, links = await self._decided(decide)
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
        decide = partial(self._open_to, name, actor)
        owner, decision = await self._decided(decide)
        async with self.turnstile.turn(owner.path) as waited:
            if waited:
                owner, decision = await self._decided(decide)
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
        decide = partial(self._admit, "embedder", name, actor)
        decision = await self._decided(decide)
        async with self.turnstile.turn(decision.thing.path) as waited:
            if waited:
                decision = await self._decided(decide)
            ref = decision.thing
            self._upkeep.forget_others(ref)
            artifact = await asyncio.to_thread(self.catalog.get, ref)
            lease = self._embedders.lease(ref.pinned, _key(ref), lambda: self.loaders.embedder(ref))
            async with lease as engine:
                yield Encoding(ref, artifact.digest, engine, decision.label)

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
        engines = {"knowledge": self._retrievers.open, "embedder": self._embedders.open}
        return {"model": self._models.open, **engines}

    async def close(self) -> None:
        """Close all engines."""
        await self._upkeep.close()

    def _lease(self, link: Link) -> AbstractAsyncContextManager[LanguageModel]:
        endpoint, model = link.endpoint, link.endpoint.model
        owner = endpoint.ref.pinned
        if model:
            return self._models.lease(owner, link.key, lambda: self.loaders.model(model))
        # Not the key of the API: what another endpoint opened may not have the same settings.
        key = f"{_key(endpoint.ref)} {link.key}"
        return self._models.lease(owner, key, lambda: self.loaders.api(endpoint))

    def _offers(self, actor: Actor) -> Sequence[Offer]:
        found = []
        for artifact in self.catalog.list():
            kind = self._kind(artifact.ref)
            if kind is None:
                continue
            decision = self.catalog.access.decide(actor, "use", artifact.ref, record=False)
            if decision.allowed:
                name = self._names.get(artifact.ref.path, artifact.ref.name)
                found.append(Offer(name, kind, artifact.ref, decision.label, artifact.created))
        return found

    def _kind(self, ref: Ref) -> Kind | None:
        if ref.section == "endpoints":
            return "endpoint"
        return "embedder" if ref.path in self._names else None

    async def _decided(self, decide: Callable[[bool], T]) -> T:
        """Decide: at once if nothing is to be written for it, else in turn and on a thread."""
        try:
            return decide(True)
        except _ToWrite:
            async with self._deciding:
                return await asyncio.to_thread(decide, False)

    def _plan(
        self, name: str, actor: Actor, version: Ref | None, quick: bool
    ) -> tuple[Decision, Sequence[Link]]:
        """Decide on the use of an endpoint; return with it the endpoint with each of its models."""
        if version:
            decision = self.catalog.access.decide(actor, "use", version, record=False)
            decision.require()
        else:
            decision = self._admit("endpoint", name, actor, quick)
        return decision, self._made_of(decision.thing)

    def _admit(self, kind: Kind, name: str, actor: Actor, quick: bool) -> Decision:
        now = self.catalog.lineage.now()
        ref = self._reference(kind, name, now)
        if ref is None or self._kind(ref) != kind:
            if quick:
                raise _ToWrite  # nothing is, but to see what there is takes long
            known = [offer.name for offer in self._offers(actor) if offer.kind == kind]
            raise NotFound(kind, name, known)
        if kind == "endpoint":
            return self._required(self._use(ref, actor, now), actor, quick)
        return self._required(self.catalog.access.judge(actor, "use", ref, now), actor, quick)

    def _required(self, decision: Decision, actor: Actor, quick: bool) -> Decision:
        """Uphold a decision. A yes stands where answers are recorded, a no in the audit log.

        Where no answers are recorded, a yes stands in the audit log too.
        """
        if self.sink is None or not decision.allowed:
            if quick:
                raise _ToWrite
            decision = self.catalog.access.decide(actor, decision.action, decision.thing)
        decision.require()
        return decision

    def _use(self, ref: Ref, actor: Actor, now: Moment) -> Decision:
        """Decide on the use of an endpoint, and on the version that answers.

        Of those who may use what is served, a canary answers the ones that it chooses and that
        may use it as well.
        """
        judge = self.catalog.access.judge
        decision, trial = judge(actor, "use", ref, now), now.trial(ref)
        if trial and trial.kind == "canary" and decision.allowed and trial.chooses(actor.name):
            tried = judge(actor, "use", trial.ref, now)
            return tried if tried.allowed else decision
        return decision

    def _reference(self, kind: Kind, name: str, now: Moment) -> Ref | None:
        if kind == "embedder":
            ref = self._embedders_by_name.get(name.removeprefix("models/"))
            return ref if ref and now.state(ref) else None
        return _named("endpoints", name, now)

    def _open_to(self, name: str, actor: Actor, quick: bool) -> tuple[Ref, Decision]:
        """Decide on a search; return whose engine it needs, and the decision."""
        now = self.catalog.lineage.now()
        ref, owner = _named("knowledge", name, now), None
        if ref is None and _named("endpoints", name, now):
            _, (link, *_) = self._plan(name, actor, None, quick)
            endpoint = link.endpoint
            if endpoint.knowledge is None:
                raise BadInput(f"{endpoint.ref.path} has no knowledge.", "Name one that has.")
            owner, ref = endpoint.ref, endpoint.knowledge
        elif ref is None:
            if quick:
                raise _ToWrite
            raise NotFound("knowledge base", name, self._searchable(actor))
        judged = self.catalog.access.judge(actor, "search", ref, now)
        decision = self._required(judged, actor, quick)
        return owner or decision.thing, decision

    def _searchable(self, actor: Actor) -> Sequence[str]:
        decide = self.catalog.access.decide
        return [
            artifact.ref.name
            for artifact in self.catalog.list()
            if artifact.ref.section == "knowledge"
            and decide(actor, "search", artifact.ref, record=False).allowed
        ]

    def _made_of(self, ref: Ref) -> Sequence[Link]:
        if _key(ref) not in self._read:
            alone = by_model(self.catalog.get(ref))
            self._read[_key(ref)] = [self._link(endpoint) for endpoint in alone]
        return self._read[_key(ref)]

    def _link(self, endpoint: Endpoint) -> Link:
        model, settled = endpoint.model, settings(endpoint)
        digest = self.catalog.get(model).digest if model else ""
        key = _key(model) if model else " ".join(settled.api.values())
        return Link(endpoint, settled, digest, price_of(endpoint, self._prices), key)


class _ToWrite(Exception):
    """Something goes on record before it can be answered, or takes long to find out."""


def _named(section: str, name: str, now: Moment) -> Ref | None:
    """Read ``desk`` or ``section/desk``; None for what names no current version."""
    try:
        ref = Ref.parse(f"{section}/{name.removeprefix(f'{section}/')}")
    except BadInput:
        return None
    return ref if ref.version is None and now.state(ref) else None


def _key(ref: Ref) -> str:
    return ref.version or ""
