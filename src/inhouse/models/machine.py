"""How many threads and how much memory this process may use: less than the machine, in a container.

Knows Linux's control groups, both versions; elsewhere it goes by what the system says.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

MOST_CACHE = 4 * 2**30
LEAST_CACHE = 2**28
SHARE = 4
"""The cache of a model gets one part in so many of the memory that is free when it is loaded."""
MODELS_SHARE = 2
"""Models that are open together get one part in so many of all memory."""

UNLIMITED = 2**60
"""Version 1 of control groups writes a number beyond this for no limit."""


def threads(root: Path = Path("/")) -> int:
    """Return how many threads compute best: one for each core, within the quota of CPU time."""
    if hasattr(os, "sched_getaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
    else:
        allowed = list(range(os.cpu_count() or 1))
    topology = root / "sys/devices/system/cpu"
    cores = {_read(topology / f"cpu{n}/topology/thread_siblings_list") or n for n in allowed}
    quotas = [len(cores), *map(math.ceil, _quotas(root))]
    return max(1, min(quotas))


def fast_bf16() -> bool:
    """Say whether the processor itself computes with bfloat16."""
    import inhouse.models.openvino  # noqa: F401 - keeps OpenVINO from reporting its use

    from openvino import Core  # isort: skip

    return "BF16" in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def free_memory(root: Path = Path("/")) -> int:
    """Return how many bytes this process may still take."""
    fields = dict(line.split(":") for line in _read(root / "proc/meminfo").splitlines())
    if "MemAvailable" in fields:
        free = int(fields["MemAvailable"].split()[0]) * 1024
    else:
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return max(0, min([free, *_rooms(root)]))


def cache_bytes(root: Path = Path("/")) -> int:
    """Return how much memory the cache of one model may take."""
    return min(MOST_CACHE, max(LEAST_CACHE, free_memory(root) // SHARE))


def models_bytes(root: Path = Path("/")) -> int:
    """Return how much memory the weights of all models that are open may take together."""
    fields = dict(line.split(":") for line in _read(root / "proc/meminfo").splitlines())
    if "MemTotal" in fields:
        whole = int(fields["MemTotal"].split()[0]) * 1024
    else:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [most for most, _ in _limits(root)]
    return min([whole, *limits]) // MODELS_SHARE


def _quotas(root: Path) -> Iterator[float]:
    """Yield the limits of CPU time, in processors."""
    for group in _groups(root, "cpu"):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        quota = quota or _read(group / "cpu.cfs_quota_us")
        period = period or _read(group / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit():
            yield int(quota) / int(period)


def _rooms(root: Path) -> Iterator[int]:
    """Yield how many bytes the limits of memory leave."""
    for most, now in _limits(root):
        yield most - now


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """Yield the limits of memory, and how much of each is used, in bytes."""
    names = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    for group in _groups(root, "memory"):
        for limit, used in names:
            most, now = _read(group / limit), _read(group / used)
            if most.isdigit() and now.isdigit() and int(most) < UNLIMITED:
                yield int(most), int(now)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the control groups that this process is in, up to the topmost."""
    base = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = base / controller if controllers else base
        inner = top / path.lstrip("/")
        yield from (g for g in (inner, *inner.parents) if g == top or top in g.parents)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
