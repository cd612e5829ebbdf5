"""What may be said in inhouse.yaml of who takes the steps of a training, and of a step's rows."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from inhouse.core.errors import BadInput
from inhouse.project.data_schema import Entry
from inhouse.project.suite_schema import Watch, Watched
from inhouse.project.values import Cluster
from inhouse.train.processes import Processes, check_even

Rows = Annotated[int, Field(ge=1, strict=True)]


class Together(Entry):
    """What several processes can train together, if nothing speaks against it."""

    batch: Rows | None = Field(
        default=None,
        description="How many rows of that length make a step; if nothing is said, as suits size "
        "and budget.",
    )
    watch: Watched = Field(
        default=Watch(),
        description="Measure what is kept out of training every so many steps, and suites with "
        "it: a number of steps, or {every, suites}. It is done before and after in any case.",
    )
    processes: Annotated[int, Field(ge=1, le=4096, strict=True)] | None = Field(
        default=None,
        description="How many processes train it together, on this machine or on those of 'on'; "
        "if nothing is said, one for each GPU.",
    )
    on: Cluster | None = Field(
        default=None,
        description="The Ray cluster whose machines train it, such as ray://head:10001.",
    )
    shard: bool = Field(
        default=False,
        description="true splits the model among the processes, of which each holds a part: for "
        "one that does not fit onto a GPU.",
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.alone and (self.on or self.shard or (self.processes or 1) > 1):
            raise ValueError(
                "preferences, and what suites watch, are learnt by one process.\n"
                "Take 'processes', 'on' and 'shard' out."
            )
        try:
            check_even(self.processes or 1, self.batch or 0)
        except BadInput as error:
            raise ValueError(f"{error.what}\n{error.fix}") from None
        return self

    @property
    def alone(self) -> bool:
        """Whether only one process can train it."""
        return bool(self.watch.suites)

    @property
    def shared_by(self) -> Processes:
        """How many processes train it, and where."""
        return Processes(self.processes, self.on or "", self.shard)
