"""Who asks, for what, and what was decided. The deciding itself is the catalog's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inhouse.core.artifact import Ref
from inhouse.core.errors import Refused
from inhouse.core.label import Label

Action = Literal["read", "use", "search"]
"""``read``: see its bytes or sections. ``use``: get answers made with it. ``search``: find those
sections in a knowledge base whose sources one may read, which needs one such source."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who asks, with the groups they hold at this moment.

    Who comes with a key that is `only` for some things may use and search nothing else: they are
    names such as ``endpoints/desk`` and whole sections such as ``knowledge``. Without any, all that
    the labels allow is open.
    """

    name: str
    groups: frozenset[str] = frozenset()
    only: tuple[str, ...] = ()

    def within(self, thing: Ref) -> bool:
        """Say whether a thing is among those that the key is for."""
        return not self.only or any(
            thing.path == name or thing.path.startswith(f"{name}/") for name in self.only
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to "may this actor do this with that thing", with its reason.

    `missing` is the part of the label that the actor does not meet; `origins` are the things
    whose own labels ask for it. Both are empty when it is allowed.
    """

    allowed: bool
    actor: str
    action: Action
    thing: Ref
    label: Label
    missing: Label = Label.OPEN
    origins: tuple[Ref, ...] = ()
    note: str = ""
    fix: str = "Ask the owner of that label to be added to its group."

    @property
    def reason(self) -> str:
        """One sentence that a person can act on."""
        if self.allowed:
            return f"{self.actor} may {self.action} {self.thing}: its label is {self.label}."
        if self.note:
            return f"{self.actor} may not {self.action} {self.thing}: {self.note}."
        sources = [r.path for r in self.origins if r.path != self.thing.path]
        whence = f", inherited from {', '.join(sources)}" if sources else ""
        return (
            f"{self.actor} may not {self.action} {self.thing}: it carries {self.missing}{whence}."
        )

    def require(self) -> None:
        """Do nothing if it is allowed.

        Raises:
            Refused: it is not; the sentence names the label and where it comes from.
        """
        if not self.allowed:
            raise Refused(self.reason, self.fix)
