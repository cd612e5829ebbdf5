"""The contract of the steps that a data set is cleaned with.

A step looks at rows in batches and says what becomes of each: it goes, it stays, or it is changed.
Which steps there are is said in `inhouse.data.recipe`; who calls them, and what is remembered of a
run that was cut off, is the business of `inhouse.data.curate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import TypeIs

from inhouse.catalog.rows import Kind
from inhouse.core.artifact import Input

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Note:
    """What a step says of a row, by its place in the batch: the rule, what was found, the limit.

    `kept` is the id of the row that stays instead, where a row is a copy.
    """

    row: int
    rule: str
    value: str = ""
    limit: str = ""
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a batch: which rows go, what is noted of rows that stay, and the rows anew.

    A row is dropped once. `rows` are the same rows in the same order, some of them changed;
    None if none is.
    """

    dropped: Sequence[Note] = ()
    flagged: Sequence[Note] = ()
    rows: pa.Table | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a data set, one chunk a column; `number` counts batches from 0."""

    kind: Kind
    rows: pa.Table
    number: int = 0

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @property
    def ids(self) -> list[str]:
        """The id of each row."""
        return list(self.rows.column("id").to_pylist())

    def taken(self, places: Sequence[int]) -> pa.Table:
        """Return some of the rows, by their places."""
        import pyarrow as pa

        return self.rows.take(pa.array(places, pa.int64())).combine_chunks()

    @property
    def texts(self) -> pa.StringArray:
        """All that is said in each row, as one text."""
        from inhouse.data.leaves import whole_texts

        return whole_texts(self.rows, self.kind)

    @property
    def parts(self) -> list[list[str]]:
        """Each text in each row by itself, as `with_texts` changes it."""
        from inhouse.data.leaves import parts_of_rows

        return parts_of_rows(self.rows)

    def with_texts(self, change: Callable[[pa.StringArray], pa.StringArray]) -> pa.Table:
        """Return the rows with each text in them, turn by turn of a chat, changed."""
        from inhouse.data.leaves import with_texts

        return with_texts(self.rows, change)


class RowStep(Protocol):
    """A step that can judge rows by themselves; it is called from several threads.

    If it has a mapping `told`, JSON-able, that stands in the funnel: what is worth knowing of it.
    """

    def judge(self, batch: Batch) -> Verdict:
        """Say what becomes of a batch."""
        ...


class WholeStep(Protocol):
    """A step that must have looked at all rows before it can judge one."""

    def look(self, batch: Batch) -> pa.Table:
        """Return what is to be remembered of a batch, small; it is called from several threads."""
        ...

    def decide(self, seen: Seen) -> RowStep:
        """Return what judges the same batches, now that all have been looked at."""
        ...


def must_look(step: RowStep | WholeStep) -> TypeIs[WholeStep]:
    """Say whether a step must have looked at all rows first."""
    return hasattr(step, "look")


class Seen(Protocol):
    """What a step remembers of all batches, on disk."""

    def __len__(self) -> int:
        """Return how many batches there are."""
        ...

    def __getitem__(self, number: int) -> pa.Table:
        """Return what is remembered of a batch; its bytes stay on disk until they are read."""
        ...

    def __iter__(self) -> Iterator[pa.Table]:
        """Yield what is remembered of each batch, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """What a step is given beside its settings.

    `inputs` are what its settings refer to, by path (``suites/desk``); `seed` makes chance the
    same each time; in `folder` it finds, when it starts again, the files that it left there.
    """

    inputs: Mapping[str, Input]
    seed: int
    folder: Path


class StepModule(Protocol):
    """A module of `inhouse.data.steps`: one step. Importing it is cheap.

    `CODE` is raised by hand whenever the same settings and rows would give another result. `NEEDS`
    are the packages of the extra `data` without which it does not work.
    """

    CODE: int
    NEEDS: tuple[str, ...]

    def read(self, value: object) -> Any:  # noqa: ANN401
        """Return the settings, a dataclass, that stand behind the step's name; None if none do.

        Raises:
            BadInput: something in them is wrong.
        """
        ...

    def start(self, settings: Any, given: Given) -> RowStep | WholeStep:  # noqa: ANN401
        """Make the step ready for work."""
        ...
