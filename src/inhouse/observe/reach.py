"""Reach: whose traces somebody may read or erase. Their own; everybody's needs a group.

Which of those a label closes is decided for each trace, in `inhouse.observe.traces`.
"""

from __future__ import annotations

from typing import Literal

from inhouse.catalog import Catalog, audit
from inhouse.core.access import Actor
from inhouse.core.errors import Refused

AUDITOR = "auditor"


def reach(catalog: Catalog, actor: Actor, action: Literal["read", "erase"], whose: str) -> str:
    """Return whose traces to keep to, of those that are wanted; "" is everybody.

    Raises:
        Refused: the traces of somebody else are wanted, and the actor is no auditor. It goes on
            record.
    """
    if AUDITOR in actor.groups:
        return whose
    if whose not in ("", actor.name):
        with catalog.database.write() as connection:
            note = f"wanted those of {whose}"
            audit.write(connection, actor.name, action, "traces", allowed=False, note=note)
        raise Refused(
            f"{actor.name} may not {action} the traces of {whose}.",
            f"Leave the name out for your own; those of others need the group {AUDITOR!r}.",
        )
    return actor.name
