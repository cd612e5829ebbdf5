"""``GET /v1/sections``: a section by its id, as it stands in a pinned version of its source.

What a citation names can be opened as long as that version is in the store, whatever has become of
the index that found it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from inhouse.catalog import Catalog
from inhouse.core.access import Action, Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadField, BadInput, NotFound
from inhouse.serve.citation import link, modified
from inhouse.serve.connection import to_its_end
from inhouse.serve.failures import Json
from inhouse.serve.house import House
from inhouse.serve.lookup_bodies import SectionQuery
from inhouse.serve.recording import Asked, looked_up


async def section(house: House, actor: Actor, query: SectionQuery, asked: Asked) -> Json:
    """Return a section that the actor may read at this moment; that it was read is on record.

    Raises:
        BadField: the source is no reference to a version of a data set.
        Overloaded: too many wait for a section of this source.
        Refused: its label does not admit the actor, or there is no such version.
        NotFound: that version is no longer kept, or has no such section.
    """
    source = _pinned(query.source)
    async with house.turnstile.turn(source.path):
        decision = await asyncio.to_thread(_decided, house, actor, source)
        trace = replace(asked.lookup(actor, source, decision.label), sources=(source,))
        async with looked_up(house.sink, trace) as record:
            record.sections, record.sources = (query.id,), (source,)
            shown = await to_its_end(lambda: _shown(house, decision, query.id))
    return Json(shown)


def _decided(house: House, actor: Actor, source: Ref) -> Decision:
    _require_cited(house.catalog, actor, source)
    return house.required(actor, "read", source)


def _shown(house: House, decision: Decision, id: str) -> dict[str, object]:
    source = decision.thing
    try:
        found = house.loaders.section(source, id)
    except NotFound:
        fix = f"{source} is no longer kept here: only its name and label are."
        raise NotFound("section", id, (), fix) from None
    if found is None:
        raise NotFound("section", id, (), "Take the id from a citation or a search.")
    state = house.catalog.lineage.now().state(Ref(source.section, source.name))
    return {
        "object": "section",
        "id": found.id,
        "source": found.source.pinned,
        "document": found.document,
        "headings": found.headings,
        "anchor": found.anchor,
        "link": link(found),
        "modified": modified(found),
        "text": found.text,
        "current": state is not None and state.version == found.source.version,
        "inhouse": {"label": str(decision.label)},
    }


def _require_cited(catalog: Catalog, actor: Actor, source: Ref) -> None:
    """Do nothing if the actor's key is for something that cites a source, in any version of it.

    A key opens no section that its endpoints and knowledge bases could not show.

    Raises:
        Refused: it is not. It goes on record.
    """
    if not actor.only:
        return
    now, decide = catalog.lineage.now(), catalog.access.decide
    cited: set[str] = set()
    for head in (*catalog.heads("endpoints"), *catalog.heads("knowledge")):
        trial = now.trial(Ref(head.section, head.name))
        action: Action = "use" if head.section == "endpoints" else "search"
        for ref in (head, trial.ref) if trial else (head,):
            if decide(actor, action, ref, record=False).allowed:
                of = now.sources if action == "use" else now.items
                cited |= {found.path for found in of(ref.version or "")}
    if source.path not in cited:
        # The source is none of the things that the key is for: so it says, and records it.
        decide(actor, "search", source).require()


def _pinned(source: str) -> Ref:
    try:
        ref = Ref.parse(source)
    except BadInput:
        ref = None
    if ref is None or not ref.version or ref.section != "data":
        raise BadField(
            "source",
            f"{source!r} names no version of a source.",
            "Take it from a citation, such as data/handbook@9ab0….",
        )
    return ref
