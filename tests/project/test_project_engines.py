"""A model on an engine beside ours: served by name, started anew after a crash."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from project_processes import started
from small_project import copied, inhouse, opened

from inhouse.core.errors import NotSetUp
from inhouse.models.llama_engine import VARIABLE

PROJECT = """\
project: weights
models: {base: {from: smollm2-135m-instruct, engine: llama}}
endpoints: {plain: {model: models/base}}
"""

pytestmark = pytest.mark.weights


@pytest.fixture
def folder(weights_store: Path, tmp_path: Path) -> Path:
    """A project whose model runs on llama-server, made."""
    folder = copied(weights_store, tmp_path / "project")
    (folder / "inhouse.yaml").write_text(PROJECT)
    with opened(folder / "inhouse.yaml") as project:
        project.run()
    return folder


def ask(url: str, key: str) -> tuple[int, dict]:
    body = {"model": "plain", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to find the engine")
def test_an_engine_that_crashed_is_started_by_the_next_request(
    folder: Path, llama_program: Path
) -> None:
    made = inhouse("keys", "create", "--actor", "tests", "--json", cwd=folder)
    key = json.loads(made.stdout)["key"]
    more = {VARIABLE: str(llama_program)}
    with started("serve", "--port", "0", "--json", cwd=folder, **more) as server:
        # One core, so one thread: several wait for each other long on a machine with other work.
        os.sched_setaffinity(server.process.pid, {min(os.sched_getaffinity(0))})
        url = json.loads(server.until('"url"'))["url"]
        status, first = ask(url, key)
        assert status == 200
        assert first["usage"]["completion_tokens"] == 3
        family = descendants(server.process.pid)
        (engine,) = [p for p in family if "llama" in os.readlink(f"/proc/{p}/exe")]
        os.kill(engine, signal.SIGKILL)
        answers = [ask(url, key) for _ in range(3)]
        assert answers[-1][0] == 200
        assert {status for status, _ in answers} <= {200, 503}
        assert answers[-1][1]["choices"] == first["choices"]


def test_a_missing_program_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere/llama-server")
    with opened(folder / "inhouse.yaml") as project, pytest.raises(NotSetUp) as raised:
        project.ask("plain", "Hi")
    assert raised.value.what == (
        f"This model runs on llama-server, and {VARIABLE} names /nowhere/llama-server, which is "
        "no program."
    )
    assert "Install llama.cpp" in raised.value.fix
