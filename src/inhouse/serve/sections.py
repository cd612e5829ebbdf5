"""``GET /v1/sections``: a section by its id, as it stands in a pinned version of its source.

What a citation names can be opened as long as that version is in the store, whatever has become of
the index that found it.
"""

from __future__ import annotations

import asyncio

from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadField, BadInput, NotFound
from inhouse.serve.citation import link, modified
from inhouse.serve.failures import Json
from inhouse.serve.house import House
from inhouse.serve.lookup_bodies import SectionQuery


async def section(house: House, actor: Actor, query: SectionQuery) -> Json:
    """Return a section that the actor may read at this moment.

    Raises:
        BadField: the source is no reference to a version.
        Refused: its label does not admit the actor, or there is no such version.
        NotFound: that version is no longer kept, or has no such section.
    """
    return Json(await asyncio.to_thread(_shown, house, actor, query))


def _shown(house: House, actor: Actor, query: SectionQuery) -> dict[str, object]:
    source = _pinned(query.source)
    decision = house.catalog.access.decide(actor, "read", source)
    decision.require()
    try:
        found = house.loaders.section(decision.thing, query.id)
    except NotFound:
        fix = f"{decision.thing} is no longer kept here: only its name and label are."
        raise NotFound("section", query.id, (), fix) from None
    if found is None:
        raise NotFound("section", query.id, (), "Take the id from a citation or a search.")
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


def _pinned(source: str) -> Ref:
    try:
        ref = Ref.parse(source)
    except BadInput:
        ref = None
    if ref is None or not ref.version:
        raise BadField(
            "source",
            f"{source!r} names no version of a source.",
            "Take it from a citation, such as data/handbook@9ab0….",
        )
    return ref
