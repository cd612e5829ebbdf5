"""What OpenVINO says of this machine's processor."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor's name, and the number formats it computes with at speed."""

    name: str
    formats: Collection[str]


def cpu() -> Cpu:
    """Ask OpenVINO about the processor."""
    from openvino import Core

    core = Core()
    return Cpu(
        core.get_property("CPU", "FULL_DEVICE_NAME").strip(),
        frozenset(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
    )
