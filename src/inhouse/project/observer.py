"""Who looks on while a plan is followed, and what is handed back of each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from inhouse.catalog import Made
from inhouse.core.artifact import Ref
from inhouse.core.stage import Progress, silent
from inhouse.project.plan import Planned


class Observer(Protocol):
    """Looks on while a plan is followed."""

    def begin(self, planned: Planned) -> Progress:
        """Hear that a step begins; what is returned hears of its progress."""
        ...

    def end(self, planned: Planned, made: Made) -> None:
        """Hear that a step is done."""
        ...

    def retire(self, ref: Ref) -> None:
        """Hear that an endpoint was taken out of service."""
        ...

    def wait(self, path: str) -> None:
        """Hear that another process is making something, and that it is waited for."""
        ...


class Unobserved:
    """Nobody looks on."""

    def begin(self, planned: Planned) -> Progress:
        """Return a progress that goes nowhere."""
        return silent

    def end(self, planned: Planned, made: Made) -> None:
        """Do nothing."""

    def retire(self, ref: Ref) -> None:
        """Do nothing."""

    def wait(self, path: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, repr=False)
class Followed:
    """One step of a run and what came of it; `waits` says that it needs a release."""

    planned: Planned
    made: Made
    waits: bool = False

    def __repr__(self) -> str:
        # A recipe names every file, and may be larger than anybody wants to see.
        how = "made" if self.made.fresh else "up to date"
        return f"<{self.made.artifact.ref} {how}{', waits' if self.waits else ''}>"
