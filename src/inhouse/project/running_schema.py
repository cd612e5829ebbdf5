"""What may be said in inhouse.yaml of how a training runs, which changes nothing of its result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from inhouse.project.data_schema import Entry
from inhouse.project.values import Address, Text
from inhouse.train.recorders import Report

RUNS = "runs"


class Hourly(Entry):
    """What a machine costs."""

    hour: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        description="For an hour of all machines that train it."
    )
    unit: Text = Field(default="USD", description="In which unit, such as USD.")


class Reports(Entry):
    """Where the figures of a run are shown beside its own curves."""

    tensorboard: bool = Field(
        default=False, description="true writes runs/NAME beside the project file."
    )
    mlflow: Address | None = Field(default=None, description="The address of a tracking server.")

    def places(self, name: str, root: Path) -> tuple[Report, ...]:
        """Return where the model of that name reports to; folders lie under `root`."""
        found: list[Report] = []
        if self.tensorboard:
            found.append(("tensorboard", str(root / RUNS), name))
        if self.mlflow:
            found.append(("mlflow", self.mlflow, name))
        return tuple(found)


def _reports(value: object) -> object:
    if value == "mlflow":
        raise ValueError("MLflow needs an address.\nWrite {mlflow: http://HOST:5000}.")
    return {"tensorboard": True} if value == "tensorboard" else value


class Running(Entry):
    """What of a training changes nothing of its result."""

    price: Hourly | None = Field(
        default=None,
        description="What the machine costs, such as {hour: 2.50}: so plan, progress and card say "
        "what the training costs.",
    )
    report_to: Annotated[
        Reports, BeforeValidator(_reports, json_schema_input_type=str | dict[str, Any])
    ] = Field(
        default=Reports(),
        description="Where to show its figures as well: tensorboard, or {mlflow: http://…}.",
    )

    def aside(self, name: str, root: Path) -> dict[str, Any]:
        """Return it as `inhouse.train.language.Language` takes it."""
        price = (self.price.hour, self.price.unit) if self.price else None
        return {"price": price, "reports": self.report_to.places(name, root)}
