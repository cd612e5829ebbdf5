"""The contract that every stage keeps: ``run(spec, inputs, ctx) -> Result``.

A stage reads its inputs, writes files into ``ctx.work`` and says what it measured. It reads no
arguments, environment or project file, and never writes anywhere else. What it finds in
``ctx.work`` at the start is its own unfinished work from a run that was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from inhouse.core.access import Actor
from inhouse.core.artifact import VERSION_DIGITS, Edge, Input, Ref, identity, version_of
from inhouse.core.label import Label
from inhouse.core.protocols import Watcher

Inputs = Mapping[str, Input]
Progress = Callable[[int, int, str], None]
"""``progress(done, total, unit)``; `total` is 0 while unknown."""


def silent(done: int, total: int, unit: str) -> None:
    """Progress that goes nowhere."""


@dataclass(frozen=True, slots=True)
class Other:
    """Something that the same stage made, with what it said of itself.

    `open` verifies all its bytes, so it should be worth that; None if they are gone or damaged.
    """

    summary: Mapping[str, Any]
    open: Callable[[], Input | None]


def none() -> Iterator[Other]:
    """Nothing else that the stage made."""
    return iter(())


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage is given beside its spec and inputs.

    `previous` is the last version of the same name, if any, and `others` finds what else the stage
    made, of this and other names: places to take unchanged parts from, never something the result
    may depend on. Others may come from sources that are not among the inputs. A `watcher` is shown
    a model while it learns.
    """

    work: Path
    actor: Actor
    seed: int = 0
    progress: Progress = silent
    previous: Input | None = None
    others: Callable[[], Iterator[Other]] = none
    watcher: Watcher | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage reports: a small JSON-able summary, and files of ``ctx.work`` to leave out.

    `found` is what it came upon that its readers must be cleared for. It adds to the label of this
    very version and of all made from it, and nothing takes it away.
    """

    summary: Mapping[str, Any] = field(default_factory=dict)
    scratch: tuple[str, ...] = ()
    found: Label = Label.OPEN


class Run(Protocol):
    """The shape of a stage's `run` function."""

    def __call__(self, spec: Any, inputs: Inputs, ctx: Context) -> Result:  # noqa: ANN401
        """Make the artifact's files in ``ctx.work``."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its recipe name, the version of its code, and its `run`.

    `code` is raised by hand whenever the same spec and inputs would give another result; that
    alone makes everything downstream be made again.
    """

    recipe: str
    code: int
    run: Run


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a named artifact is derived: a stage, its spec, and pinned parents.

    Raises:
        ValueError: a parent is not pinned to a whole version, or two have the same role.
    """

    ref: Ref
    stage: Stage
    spec: object
    parents: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        for edge in self.parents:
            if len(edge.parent.version or "") != VERSION_DIGITS:
                raise ValueError(f"{edge.role} of {self.ref} is not pinned to a whole version")
        if len({edge.role for edge in self.parents}) < len(self.parents):
            raise ValueError(f"{self.ref} has two parents with the same role")

    @property
    def version(self) -> str:
        """The version the result will have, known before the work."""
        inputs = {edge.role: f"{edge.flow} {edge.parent.version}" for edge in self.parents}
        return version_of(
            self.ref.path, self.stage.recipe, self.stage.code, identity(self.spec), inputs
        )
