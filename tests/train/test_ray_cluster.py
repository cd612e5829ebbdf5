"""The processes of a Ray cluster learn what one process does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from train.test_language import FULL, STEPS, WEIGHTS
from train.test_processes import TESTS, same_curves, same_weights
from train.tiny_llama import DATA, repeated, tiny_llama, trained

from inhouse.core.errors import BadInput
from inhouse.train.processes import FOLDER, JOB, Processes
from inhouse.train.ray_cluster import missing

RAN = """
import sys
sys.path.insert(0, {tests!r})
from dataclasses import replace
from pathlib import Path
import ray
from train.test_language import FULL
from train.tiny_llama import DATA, trained
from inhouse.train.processes import Processes
ray.init(address="local", num_cpus=2, _temp_dir={temporary!r}, include_dashboard=False,
         log_to_driver=False)
spec = replace(FULL, processes=Processes(2, "ray://unused:1"))
told = trained(spec, Path({base!r}), {{DATA: Path({data!r})}}, Path({work!r}),
               progress=lambda done, *_: print(done))
assert told.summary["steps"] == 12
"""

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra [ray]"),
]


@pytest.fixture
def short() -> Iterator[str]:
    """A folder whose name is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        yield folder


@pytest.mark.slow
def test_two_processes_of_a_cluster_end_in_the_weights_of_one(tmp_path: Path, short: str):
    base, data = tiny_llama(tmp_path / "base"), repeated(tmp_path / "notes")
    trained(FULL, base, {DATA: data}, tmp_path / "one")
    work = tmp_path / "two"
    code = RAN.format(
        tests=TESTS, temporary=short, base=str(base), data=str(data), work=str(work)
    )  # fmt: skip
    path = os.pathsep.join([*sys.path, TESTS])
    settings = {
        "PYTHONPATH": path,
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_memory_monitor_refresh_ms": "0",  # what else runs here is not its business
    }
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | settings, capture_output=True, text=True,
        timeout=160,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split()[-1] == str(STEPS)
    same_weights(tmp_path / "one", work, WEIGHTS)
    same_curves(tmp_path / "one", work)


def test_a_machine_that_does_not_see_the_store_is_told_apart(tmp_path: Path):
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / JOB).write_text("{}", encoding="utf-8")
    assert missing([str(folder), str(tmp_path)], "{}") == ""
    assert missing([str(folder), str(tmp_path / "no")], "{}") == str(tmp_path / "no")
    assert missing([str(folder)], '{"id": "another"}') == str(folder)


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path):
    base, data = tiny_llama(tmp_path / "base"), repeated(tmp_path / "notes")
    spec = replace(FULL, processes=Processes(2, "ray://127.0.0.1:9"))
    with pytest.raises(BadInput, match=r"No Ray cluster answers at ray://127\.0\.0\.1:9"):
        trained(spec, base, {DATA: data}, tmp_path / "work")
