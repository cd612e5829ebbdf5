"""Looks in a knowledge base for what somebody may read, and shows what was found.

The answer that may follow is in `inhouse.serve.answer`; who may search what is the catalog's
decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inhouse.catalog.access import Access
from inhouse.core.access import Actor
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.core.nouns import Found, Hit, Message
from inhouse.core.protocols import Retriever
from inhouse.serve.citation import link, modified


def find(
    retriever: Retriever,
    messages: Sequence[Message],
    actor: Actor,
    *,
    top: int,
    access: Access,
) -> tuple[Found, Label]:
    """Return what is found for what a conversation asks last, and the join of its labels.

    The retriever has filtered already; asking again here costs little and holds even if it errs,
    or if a label was tightened meanwhile. If a section is dropped, nothing else that was made of
    it is told: the support is 0 and the query is the question as it was asked.

    Raises:
        Refused: the actor may read no source of the knowledge base.
        BadInput: the last message is not a question of the user.
    """
    asked = question(messages)
    found = retriever.search(asked, actor, top=top, before=messages[:-1])
    hits, labels = [], []
    for hit in found.hits:
        decision = access.decide(actor, "read", hit.section.source, record=False)
        if decision.allowed:
            hits.append(hit)
            labels.append(decision.label)
    if len(hits) < len(found.hits):
        # Support and the words added to the question were drawn from what is dropped here.
        found = Found(asked, tuple(hits), 0.0)
    return found, Label.joined(labels)


def question(messages: Sequence[Message]) -> str:
    """Return what a conversation asks last.

    Raises:
        BadInput: the last message is not the user's, or is empty.
    """
    if not messages or messages[-1].role != "user":
        raise BadInput(
            "The last message is not the user's, so there is no question to look up.",
            "End the messages with one of the role 'user'.",
        )
    asked = messages[-1].content.strip()
    if not asked:
        raise BadInput("The question is empty.", "Ask something.")
    return asked


def shown(hit: Hit) -> dict[str, Any]:
    """Return a hit as JSON shows it."""
    section = hit.section
    return {
        "id": section.id,
        "source": section.source.pinned,
        "document": section.document,
        "headings": section.headings,
        "anchor": section.anchor,
        "link": link(section),
        "modified": modified(section),
        "passage": hit.passage,
        "text": section.text,
        "score": round(hit.score, 4),
    }
