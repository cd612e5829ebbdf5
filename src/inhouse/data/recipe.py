"""The list of steps of a data set: which steps there are, and what a project file may say of them.

What a step does is said in its own module of `inhouse.data.steps`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from inhouse.core.errors import BadInput, MissingExtra, nearest
from inhouse.data.step import StepModule

# The step's name -> its module, imported when the step is used.
STEPS: Mapping[str, str] = {
    "decontaminate": "inhouse.data.steps.decontaminate",
    "dedup": "inhouse.data.steps.dedup",
    "domain": "inhouse.data.steps.domain",
    "extract": "inhouse.data.steps.extract",
    "language": "inhouse.data.steps.language",
    "pii": "inhouse.data.steps.pii",
    "quality": "inhouse.data.steps.quality",
    "sample": "inhouse.data.steps.sample",
    "split": "inhouse.data.steps.split",
    "toxicity": "inhouse.data.steps.toxicity",
}
EXTRA = "data"
IN_PROCESSES = ("pii",)
"""Steps that Python itself works in, so that threads of one process would share a core."""
LEARNING = ("domain", "toxicity")
"""Steps that learn from other rows when they start."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step by its name, with its settings all spelled out."""

    name: str
    settings: Any

    @property
    def module(self) -> StepModule:
        """The module that does it."""
        return cast(StepModule, import_module(STEPS[self.name]))

    @property
    def plain(self) -> dict[str, Any]:
        """The step as JSON-able values; a changed default is another value."""
        return {
            "step": self.name,
            "code": self.module.CODE,
            **dataclasses.asdict(self.settings),
        }

    @property
    def learns(self) -> bool:
        """Whether it learns from other rows when it starts."""
        return self.name in LEARNING

    @property
    def in_processes(self) -> bool:
        """Whether it is done in processes apart; such a step refers to nothing else."""
        return self.name in IN_PROCESSES

    @property
    def refs(self) -> list[str]:
        """What the settings refer to, such as ``suites/desk``: fields with metadata ``refs``."""
        found = []
        for field in dataclasses.fields(self.settings):
            if "refs" in field.metadata:
                value = getattr(self.settings, field.name)
                found += [value] if isinstance(value, str) else list(value or ())
        return found

    @property
    def model_kind(self) -> str | None:
        """The kind of the model that it refers to, if it does: metadata ``kind`` of a field."""
        fields = dataclasses.fields(self.settings)
        named = [f for f in fields if "kind" in f.metadata and getattr(self.settings, f.name)]
        return named[0].metadata["kind"] if named else None


def read_step(entry: object) -> Step:
    """Read a step as it stands in a list: its name, or its name with settings.

    Raises:
        BadInput: there is no such step, or something in its settings is wrong.
    """
    if isinstance(entry, str):
        name, value = entry, None
    elif isinstance(entry, Mapping) and len(entry) == 1:
        name, value = next(iter(entry.items()))
    else:
        raise BadInput(
            "a step is a name, or a name with its settings.", "Write such as {dedup: minhash}."
        )
    if name not in STEPS:
        near = nearest(str(name), STEPS)
        known = f"Did you mean {near!r}?" if near else f"Known: {', '.join(sorted(STEPS))}."
        raise BadInput(f"there is no step {name!r}.", known)
    module = cast(StepModule, import_module(STEPS[name]))
    return Step(name, module.read(value))


def restored(plain: Mapping[str, Any]) -> Step:
    """Return the step that was written down as `plain`.

    Raises:
        BadInput: settings of that kind are not known any more.
    """
    values = {key: value for key, value in plain.items() if key not in ("step", "code")}
    return read_step({plain["step"]: values})


def require(steps: Sequence[Step]) -> None:
    """Make sure that the packages which steps need are installed.

    Raises:
        MissingExtra: one is not.
    """
    for step in steps:
        if any(find_spec(package) is None for package in step.module.NEEDS):
            raise MissingExtra(f"The step {step.name!r}", EXTRA)
