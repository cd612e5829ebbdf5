"""A model on an engine beside ours: served by name, started anew after a crash."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from models.test_adapter import made
from project_processes import started
from small_project import copied, inhouse, opened

from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import NotSetUp, ProjectError
from inhouse.core.protocols import Sampling
from inhouse.models.llama_engine import VARIABLE
from inhouse.models.weights import open_weights
from inhouse.project.exporting import export
from inhouse.project.project import Project

PROJECT = """\
project: weights
models: {base: {from: smollm2-135m-instruct, engine: llama}}
endpoints: {plain: {model: models/base}}
"""

TUNED = """\
project: weights
groups: {legal: [ana, tests]}
models:
  base: {from: smollm2-135m-instruct}
  tuned: {from: smollm2-135m-instruct, adapter: ./lora, label: legal}
endpoints:
  base: {model: models/base}
  tuned: {model: models/tuned}
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


@pytest.mark.slow
def test_a_model_with_an_adapter_is_another_model(weights_store: Path, tmp_path: Path) -> None:
    folder = copied(weights_store, tmp_path / "project")
    (folder / "inhouse.yaml").write_text(TUNED)
    with opened(folder / "inhouse.yaml") as project, pytest.raises(ProjectError) as raised:
        project.steps()
    assert "adapter_config.json is missing" in raised.value.what
    with opened(folder / "inhouse.yaml") as project:
        pulled = project.catalog.load(Ref("models", "base")).folder
    adapter = made(folder / "lora", pulled, 0.02)
    with opened(folder / "inhouse.yaml") as project:
        project.run()
        access = project.catalog.access
        for name in ("models/tuned/adapter", "models/tuned/openvino-int8", "endpoints/tuned"):
            for actor, groups, allowed in (("ana", {"legal"}, True), ("bo", set(), False)):
                asked = Actor(actor, frozenset(groups))
                assert access.decide(asked, "use", Ref.parse(name)).allowed == allowed
        before = versions(project)
        base, tuned = (
            project.ask(name, "Say hello.", sampling=Sampling(max_tokens=24)).text
            for name in ("base", "tuned")
        )
        assert base != tuned
        export(project, Ref.parse("models/tuned"), folder / "out")
        name = "model.layers.0.self_attn.q_proj.weight"
        plain, whole = (open_weights(of).take(name) for of in (pulled, folder / "out"))
        assert not np.allclose(plain, whole, atol=1e-4)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": 1}))
    with opened(folder / "inhouse.yaml") as project:
        after = versions(project)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"models/tuned/adapter", "models/tuned/openvino-int8", "endpoints/tuned"}


def versions(project: Project) -> dict[str, str]:
    return {step.path: step.recipe.version for step in project.steps()}
