"""Nothing phones home, and nothing heavy is loaded before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import sys, time
seen = []
def hook(event, args):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "subprocess.", "os.posix_spawn")):
        seen.append((event, repr(args)))
sys.addaudithook(hook)
"""
USE = """
import inhouse.models.openvino
import openvino
import openvino_genai
import openvino.tools.ovc
from pathlib import Path
from inhouse.models.load import load_embedder
load_embedder(Path(sys.argv[1]), threads=1).embed(["a"])
time.sleep(1.0)
assert not seen, seen
assert sys.modules["openvino_telemetry"] is None
print("quiet")
"""
LIGHT = """
import sys
import inhouse.models.load, inhouse.models.pull, inhouse.models.build, inhouse.models.remote
heavy = {"torch", "transformers", "openvino", "openvino_genai", "huggingface_hub", "gguf"}
print(sorted(heavy & sys.modules.keys()))
"""


def run(program: str, home: Path, *arguments: str) -> str:
    # Reporting switches itself off where it sees a CI; this must hold elsewhere too.
    signs = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "JENKINS_URL")
    environment = {k: v for k, v in os.environ.items() if k not in signs}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.weights
def test_openvino_opens_no_connection_and_leaves_no_identifier(
    minilm_folder: Path, tmp_path: Path
) -> None:
    assert run(WATCH + USE, tmp_path, str(minilm_folder)) == "quiet"
    assert not list(tmp_path.iterdir())


def test_heavy_libraries_wait_until_they_are_needed(tmp_path: Path) -> None:
    assert run(LIGHT, tmp_path) == "[]"
