"""The rows that are to be cleaned, in batches: those of a data set, or of several together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from inhouse.catalog.rows import Kind, RowReader
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.data.step import Batch

if TYPE_CHECKING:
    import pyarrow as pa


class Source(Protocol):
    """Rows of one kind in numbered batches."""

    @property
    def kind(self) -> Kind:
        """The kind of the rows."""
        ...

    @property
    def batches(self) -> int:
        """How many batches there are."""
        ...

    def batch(self, number: int) -> Batch:
        """Return a batch."""
        ...


@contextmanager
def sourced(inputs: Mapping[str, Input], *, named: bool = False) -> Iterator[Groups]:
    """Open the rows of data sets, by role.

    Where there are several, or they are to be `named`, the name of its data set stands in front of
    each id: two data sets may hold rows of the same id.

    Raises:
        BadInput: they are of several kinds.
    """
    with ExitStack() as opened:
        readers = [
            (found.artifact.ref.name, opened.enter_context(RowReader(found.folder)))
            for _, found in sorted(inputs.items())
        ]
        yield Groups(readers, named=named or len(readers) > 1)


class Groups:
    """The groups of data sets one after the other, each a batch."""

    def __init__(self, readers: Sequence[tuple[str, RowReader]], *, named: bool) -> None:
        kinds = {reader.kind: name for name, reader in readers}
        if len(kinds) > 1:
            listing = ", ".join(f"data/{name} holds {kind}" for kind, name in kinds.items())
            raise BadInput(
                f"Data sets of several kinds cannot be put together: {listing}.",
                "Give each kind an entry of its own.",
            )
        (self.kind,) = kinds
        self._readers, self._named = dict(readers), named
        self._places = [(name, n) for name, reader in readers for n in range(reader.groups)]

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return len(self._places)

    def batch(self, number: int) -> Batch:
        """Return a batch."""
        name, group = self._places[number]
        rows = self._readers[name].group(group)
        return Batch(self.kind, _prefixed(rows, name) if self._named else rows, number)


def _prefixed(rows: pa.Table, name: str) -> pa.Table:
    import pyarrow.compute as pc

    ids = pc.binary_join_element_wise(f"{name}/", rows.column("id"), "")
    return rows.set_column(0, rows.schema.field("id"), ids)


class Drawn:
    """Some rows of a source, drawn evenly over it: what a dry run looks at."""

    SLICES = 20

    def __init__(self, whole: Groups, rows: int) -> None:
        self.kind = whole.kind
        self._whole = whole
        self._groups = sorted(
            {whole.batches * n // self.SLICES for n in range(self.SLICES)} if whole.batches else ()
        )
        self._rows = -(-rows // max(1, len(self._groups)))

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return len(self._groups)

    def batch(self, number: int) -> Batch:
        """Return a batch."""
        found = self._whole.batch(self._groups[number])
        places = range(0, len(found), max(1, len(found) // self._rows))[: self._rows]
        return Batch(self.kind, found.taken(places), number)
