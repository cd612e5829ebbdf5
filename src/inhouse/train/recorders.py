"""Where the figures of a run are shown beside its own curves: TensorBoard, or an MLflow server.

What is measured is the business of `trainer`. Nothing is sent but to the server that is named.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from inhouse.core.errors import BadInput, MissingExtra

Kind = Literal["tensorboard", "mlflow"]
Report = tuple[Kind, str, str]
"""The kind of a recorder, the folder or address that it writes to, and the model's name."""
DIGITS = 8
RETRIES = "2"


_log = logging.getLogger(__name__)


class Recorder(Protocol):
    """Takes figures by step."""

    def note(self, step: int, figures: Mapping[str, float]) -> None:
        """Take the figures of a step."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def require(reports: Sequence[Report]) -> None:
    """Make sure that what shows a run is installed.

    Raises:
        MissingExtra: it is not.
    """
    for kind, _, _ in reports:
        if find_spec(kind) is None:
            raise MissingExtra(f"Reporting to {kind}", kind)


def recorders_of(reports: Sequence[Report], name: str) -> list[Recorder]:
    """Return what shows the run of that version.

    Raises:
        MissingExtra: it is not installed.
        BadInput: the server does not answer.
    """
    require(reports)
    found: list[Recorder] = []
    for kind, place, model in reports:
        if kind == "tensorboard":
            found.append(TensorBoard(Path(place) / model / name[:DIGITS]))
        else:
            found.append(MLflow(place, model, name[:DIGITS]))
    return found


class TensorBoard:
    """Writes a folder that TensorBoard shows."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._writer: Any = SummaryWriter(str(folder))

    def note(self, step: int, figures: Mapping[str, float]) -> None:
        """Take the figures of a step."""
        for name, value in figures.items():
            self._writer.add_scalar(name.replace(" ", "/"), value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class MLflow:
    """Sends figures to a tracking server, as a run of an experiment with the model's name."""

    def __init__(self, address: str, experiment: str, name: str) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self._client = MlflowClient(address)
        try:
            known = self._client.get_experiment_by_name(experiment)
            number = known.experiment_id if known else self._client.create_experiment(experiment)
            begun = self._client.search_runs([number], f"attributes.run_name = '{name}'")
            run = begun[0] if begun else self._client.create_run(number, run_name=name)
        except MlflowException as error:
            said = str(error).splitlines()[0][:300]
            raise BadInput(
                f"The MLflow server at {address} does not take the run: {said}.",
                "Start it, or correct 'report_to'.",
            ) from None
        self._run, self._lost = run.info.run_id, False

    def note(self, step: int, figures: Mapping[str, float]) -> None:
        """Take the figures of a step; none any more after the server was lost once."""
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        if self._lost:
            return
        now = int(time.time() * 1000)
        told = [
            Metric(name, value, now, step)
            for name, value in figures.items()
            if math.isfinite(value)
        ]
        try:
            self._client.log_batch(self._run, told)
        except MlflowException:
            self._lost = True
            _log.warning("The MLflow server does not answer; the training goes on without it.")

    def close(self) -> None:
        """Say that the run has ended."""
        if not self._lost:
            self._client.set_terminated(self._run)
