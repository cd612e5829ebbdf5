"""What a process may use, from made-up file systems of machines and containers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inhouse.models import machine

GIB = 2**30


def made(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def memory(gib: int) -> str:
    return f"MemTotal:       99999999 kB\nMemAvailable:   {gib * 2**20} kB"


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)


@pytest.mark.usefixtures("four")
def test_threads_are_cores_within_the_quota(tmp_path: Path) -> None:
    assert machine.threads(tmp_path) == 4
    pairs = {
        f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 2},{n % 2 + 2}"
        for n in range(4)
    }
    made(tmp_path, pairs)
    assert machine.threads(tmp_path) == 2
    group = {"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}
    made(tmp_path, group)
    assert machine.threads(tmp_path) == 2
    made(tmp_path, {"sys/fs/cgroup/a/cpu.max": "50000 100000"})
    assert machine.threads(tmp_path) == 1


@pytest.mark.usefixtures("four")
def test_the_older_control_groups_count_too(tmp_path: Path) -> None:
    folder = "sys/fs/cgroup/cpu"
    files = {f"{folder}/cpu.cfs_quota_us": "250000", f"{folder}/cpu.cfs_period_us": "100000"}
    made(tmp_path, {"proc/self/cgroup": "4:cpu,cpuacct:/\n5:memory:/"} | files)
    assert machine.threads(tmp_path) == 3
    made(tmp_path, {f"{folder}/cpu.cfs_quota_us": "-1"})
    assert machine.threads(tmp_path) == 4
    folder = "sys/fs/cgroup/memory"
    no_limit = {f"{folder}/memory.limit_in_bytes": "9223372036854771712"}
    made(tmp_path, no_limit | {f"{folder}/memory.usage_in_bytes": "5"})
    made(tmp_path, {"proc/meminfo": memory(8)})
    assert machine.free_memory(tmp_path) == 8 * GIB


def test_the_cache_is_a_bounded_share_of_what_is_free(tmp_path: Path) -> None:
    made(tmp_path, {"proc/meminfo": memory(8), "proc/self/cgroup": "0::/"})
    assert machine.cache_bytes(tmp_path) == 2 * GIB
    group = {"memory.max": str(5 * GIB), "memory.current": str(GIB)}
    made(tmp_path, {f"sys/fs/cgroup/{name}": text for name, text in group.items()})
    assert machine.free_memory(tmp_path) == 4 * GIB
    assert machine.cache_bytes(tmp_path) == GIB
    made(tmp_path, {"sys/fs/cgroup/memory.max": "max", "proc/meminfo": memory(100)})
    assert machine.cache_bytes(tmp_path) == machine.MOST_CACHE
    made(tmp_path, {"proc/meminfo": memory(0)})
    assert machine.cache_bytes(tmp_path) == machine.LEAST_CACHE
    assert machine.threads() >= 1
    assert machine.cache_bytes() >= machine.LEAST_CACHE


def test_models_get_half_of_the_memory_there_is(tmp_path: Path) -> None:
    made(tmp_path, {"proc/meminfo": f"MemTotal: {16 * 2**20} kB", "proc/self/cgroup": "0::/"})
    assert machine.models_bytes(tmp_path) == 8 * GIB
    made(tmp_path, {"sys/fs/cgroup/memory.max": str(6 * GIB)})
    made(tmp_path, {"sys/fs/cgroup/memory.current": str(5 * GIB)})
    assert machine.models_bytes(tmp_path) == 3 * GIB
