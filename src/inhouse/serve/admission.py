"""Who may use and search what of a house, under the names that requests call it.

The catalog decides; here is what is decided on, and that nothing waits where nothing is written.
What was admitted is opened in `inhouse.serve.house`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from inhouse.catalog import Catalog
from inhouse.catalog.lineage import Moment
from inhouse.core.access import Action, Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, ModelNotFound, NotFound
from inhouse.core.label import Label

T = TypeVar("T")

Kind = Literal["endpoint", "embedder", "classifier"]
REMEMBERED = 10_000
"""Uses that are remembered for as long as nothing changes."""


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


class Admission:
    """Decides on the endpoints, embedders and knowledge bases of a catalog."""

    def __init__(
        self,
        catalog: Catalog,
        models: Mapping[Kind, Mapping[str, Ref]],
        *,
        recorded: Callable[[], bool],
        knowledge: Callable[[Ref], Ref | None],
    ) -> None:
        """Decide on what a catalog holds; `models` are those that requests may name.

        Answers are `recorded` or not; `knowledge` is that of a version of an endpoint.
        """
        self._catalog = catalog
        self._models = models
        self._names = {
            ref.path: (kind, name) for kind, named in models.items() for name, ref in named.items()
        }
        self._recorded = recorded
        self._knowledge = knowledge
        # What goes on record does so one after the other; threads that all wait for the database
        # would only get in each other's way.
        self._deciding = asyncio.Lock()
        self._turn: tuple[int, Moment] | None = None
        self._yes: tuple[Moment, dict[tuple[str, Actor], Decision]] | None = None

    def now(self) -> Moment:
        """Return what holds now, for who is on the event loop.

        It is asked once in a turn of the loop, unless this process has written something since:
        a request that comes after somebody else's change comes in a later turn.
        """
        written = self._catalog.database.written
        if self._turn is None or self._turn[0] != written:
            self._turn = written, self._catalog.lineage.now()
            asyncio.get_running_loop().call_soon(self._ask_again)
        return self._turn[1]

    def _ask_again(self) -> None:
        self._turn = None

    async def endpoint(self, name: str, actor: Actor) -> Decision:
        """Return the yes to the use of an endpoint; its thing is the version that answers.

        Raises:
            NotFound: there is no such endpoint; only those that the actor may use are named.
            Refused: its label does not admit the actor.
        """
        now = self.now()
        if self._yes is None or self._yes[0] is not now or len(self._yes[1]) > REMEMBERED:
            self._yes = now, {}
        known = self._yes[1]
        if (name, actor) not in known:
            decision = await self._decided(partial(self._admit, "endpoint", name, actor))
            if not self._recorded():
                return decision  # each is to be written down
            known[name, actor] = decision
        return known[name, actor]

    async def model(self, kind: Kind, name: str, actor: Actor) -> Decision:
        """Return the yes to the use of an embedder or a classifier, as `endpoint` does."""
        return await self._decided(partial(self._admit, kind, name, actor))

    def classifies(self, name: str) -> bool:
        """Say whether a name means a classifier; a bare one is an endpoint's if there is one."""
        bare = name.removeprefix("models/")
        known = bare in self._models.get("classifier", {})
        return known and (bare != name or _named("endpoints", name, self.now()) is None)

    async def search(self, name: str, actor: Actor) -> tuple[Ref, Decision]:
        """Return whose engine a search needs, and the yes to it.

        Raises:
            NotFound: there is no such thing; only those that the actor may search are named.
            Refused: the actor may not search it, or not use the endpoint.
            BadInput: the endpoint has no knowledge.
        """
        return await self._decided(partial(self._open_to, name, actor))

    def offers(self, actor: Actor) -> Sequence[Offer]:
        """Return what an actor may use, by section and name."""
        found = []
        for artifact in self._catalog.list():
            kind = self._kind(artifact.ref)
            if kind is None:
                continue
            decision = self._catalog.access.decide(actor, "use", artifact.ref, record=False)
            if decision.allowed:
                path = artifact.ref.path
                _, name = self._names.get(path, (kind, artifact.ref.name))
                since = self._catalog.releases.since(artifact.ref) or artifact.created.timestamp()
                found.append(Offer(name, kind, path, decision.label, since))
        return found

    def required(self, actor: Actor, action: Action, ref: Ref) -> Decision:
        """Decide. Where answers are recorded a yes stands there; a no stands in the audit log.

        Raises:
            Refused: the actor may not do that.
        """
        now = self._catalog.lineage.now()
        return self._upheld(self._catalog.access.judge(actor, action, ref, now), actor, quick=False)

    async def _decided(self, decide: Callable[[bool], T]) -> T:
        """Decide: at once if nothing is to be written for it, else in turn and on a thread."""
        try:
            return decide(True)
        except _ToWrite:
            async with self._deciding:
                return await asyncio.to_thread(decide, False)

    def _admit(self, kind: Kind, name: str, actor: Actor, quick: bool) -> Decision:
        now = self._catalog.lineage.now()
        ref = self._reference(kind, name, now)
        if ref is None or self._kind(ref) != kind:
            if quick:
                raise _ToWrite
            known = [offer.name for offer in self.offers(actor) if offer.kind == kind]
            raise ModelNotFound(kind, name, known)
        if kind == "endpoint":
            return self._upheld(self._use(ref, actor, now), actor, quick=quick)
        judged = self._catalog.access.judge(actor, "use", ref, now)
        return self._upheld(judged, actor, quick=quick)

    def _use(self, ref: Ref, actor: Actor, now: Moment) -> Decision:
        """Decide on the use of an endpoint, and on the version that answers.

        Of those who may use what is served, a canary answers the ones that it chooses and that
        may use it as well.
        """
        judge = self._catalog.access.judge
        decision, trial = judge(actor, "use", ref, now), now.trial(ref)
        if trial and trial.kind == "canary" and decision.allowed and trial.chooses(actor.name):
            tried = judge(actor, "use", trial.ref, now)
            return tried if tried.allowed else decision
        return decision

    def _open_to(self, name: str, actor: Actor, quick: bool) -> tuple[Ref, Decision]:
        now = self._catalog.lineage.now()
        ref, owner = _named("knowledge", name, now), None
        if ref is None and _named("endpoints", name, now):
            owner = self._admit("endpoint", name, actor, quick).thing
            ref = self._knowledge(owner)
            if ref is None:
                raise BadInput(f"{owner.path} has no knowledge.", "Name one that has.")
        elif ref is None:
            if quick:
                raise _ToWrite
            raise NotFound("knowledge base", name, self._searchable(actor))
        judged = self._catalog.access.judge(actor, "search", ref, now)
        decision = self._upheld(judged, actor, quick=quick)
        return owner or decision.thing, decision

    def _upheld(self, decision: Decision, actor: Actor, *, quick: bool) -> Decision:
        if not self._recorded() or not decision.allowed:
            if quick:
                raise _ToWrite
            decision = self._catalog.access.decide(actor, decision.action, decision.thing)
        decision.require()
        return decision

    def _reference(self, kind: Kind, name: str, now: Moment) -> Ref | None:
        if kind != "endpoint":
            ref = self._models[kind].get(name.removeprefix("models/"))
            return ref if ref and now.state(ref) else None
        return _named("endpoints", name, now)

    def _kind(self, ref: Ref) -> Kind | None:
        if ref.section == "endpoints":
            return "endpoint"
        kind, _ = self._names.get(ref.path, (None, ""))
        return kind

    def _searchable(self, actor: Actor) -> Sequence[str]:
        decide = self._catalog.access.decide
        return [
            artifact.ref.name
            for artifact in self._catalog.list()
            if artifact.ref.section == "knowledge"
            and decide(actor, "search", artifact.ref, record=False).allowed
        ]


class _ToWrite(Exception):
    """Something goes on record before it can be answered, or takes long to find out."""


def _named(section: str, name: str, now: Moment) -> Ref | None:
    """Read ``desk`` or ``section/desk``; None for what names no current version."""
    try:
        ref = Ref.parse(f"{section}/{name.removeprefix(f'{section}/')}")
    except BadInput:
        return None
    return ref if ref.version is None and now.state(ref) else None
