"""What a trained model tells of its training, for somebody who may read it: curves by step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from inhouse.core.artifact import Artifact
from inhouse.core.errors import BadInput

if TYPE_CHECKING:
    from inhouse.project.project import Project

CURVES = "curves.parquet"
Curve = Sequence[float | None]


def curves(project: Project, artifact: Artifact) -> Mapping[str, Curve]:
    """Return the columns of a model's curves: step, tokens, loss and so on, by source too.

    What was not measured at a step is None.

    Raises:
        BadInput: it was not trained here.
        Refused: whoever acts may not read it.
        Corrupt: its bytes have changed.
    """
    import pyarrow.parquet as pq

    if CURVES not in artifact.files:
        raise BadInput(f"{artifact.ref.path} has no curves.", "Name a model that was trained here.")
    access = project.catalog.access
    access.decide(access.actor(project.actor_name), "read", artifact.ref).require()
    table = pq.read_table(project.catalog.load(artifact.ref).folder / CURVES)
    return {name: [_finite(v) for v in column] for name, column in table.to_pydict().items()}


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
