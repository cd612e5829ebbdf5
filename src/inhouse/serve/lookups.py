"""``POST /v1/search``: what a knowledge base has for somebody, in our own shape.

Looking is done in `inhouse.serve.search`; who may search what is the house's business.
"""

from __future__ import annotations

from inhouse.core.access import Actor
from inhouse.serve.connection import to_its_end
from inhouse.serve.failures import Json
from inhouse.serve.house import House
from inhouse.serve.lookup_bodies import SearchBody
from inhouse.serve.recording import Asked, looked_up
from inhouse.serve.search import find, shown
from inhouse.serve.seen import Step


async def searched(house: House, actor: Actor, body: SearchBody, asked: Asked) -> Json:
    """Find sections that somebody may read; which ones stands on record before they are told."""
    messages, access = body.conversation(), house.catalog.access
    async with house.knowledge(body.knowledge, actor) as opened:
        trace = asked.lookup(actor, opened.ref, opened.label)
        async with looked_up(house.sink, trace) as record:
            with Step("retrieval", str(opened.ref)):
                found, label = await to_its_end(
                    lambda: find(opened.retriever, messages, actor, top=body.top, access=access)
                )
            record.label = opened.label.join(label)
            record.sections = tuple(hit.section.id for hit in found.hits)
            record.sources = tuple(sorted({hit.section.source for hit in found.hits}, key=str))
    content = {
        "object": "list",
        "query": found.query,
        "support": found.support,
        "data": [{"object": "section", **shown(hit)} for hit in found.hits],
        "inhouse": {"knowledge": opened.ref.pinned, "label": str(record.label)},
    }
    return Json(content)
