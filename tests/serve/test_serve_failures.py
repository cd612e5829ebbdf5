"""What goes wrong around a server: no room to record, an API that dies, a client that goes."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serve_world import World
from served_process import Served, project_file, serving, until, upstream
from small_project import copied, opened
from test_serve_door import chat, send
from test_serve_limits import CHAT, hanging

from inhouse.models.load import load_language

HERE = Path(__file__).parent
LAUGH = {"max_tokens": 4000, "structured_outputs": {"regex": "(ha ){2000}"}}
"""What takes longer than anybody waits."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with upstream() as port:
        file = project_file(tmp_path_factory.mktemp("served"), port)
        with serving(file) as found:
            yield found


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of a running process")
def test_what_cannot_be_recorded_is_not_answered(served: Served):
    import resource

    assert served.ask()[0] == 200
    before = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        status, body = served.ask()
        assert status == 503
        assert json.loads(body)["error"]["code"] == "store_error"
        assert b"word" not in body
        status, body = served.ask(stream=True)
        assert status == 503
        assert b"word" not in body
    finally:
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, before)
    until(lambda: served.ask()[0] == 200)


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of a running process")
def test_what_cannot_be_recorded_is_answered_if_that_is_wanted(tmp_path: Path):
    import resource

    with upstream() as port:
        file = project_file(tmp_path, port, "traces: {unwritable: answer}")
        with opened(file, "ana") as project:
            project.catalog.access.set_groups({"op": frozenset({"operator"})}, by="ana")
            _, operator = project.catalog.keys.create("op", by="ana")
        with serving(file) as served:
            served.wait_for("is answered WITHOUT A RECORD: traces.unwritable")
            assert served.ask()[0] == 200
            before = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (1, before[1]))
            for stream in (False, True):
                status, body = served.ask(stream=stream)
                assert (status, b"word5" in body) == (200, True)
            assert served.get("/readyz")[0] == 200
            told = served.get("/metrics", operator)[1].decode()
            assert "inhouse_unrecorded_total 2.0" in told
            assert len(served.states()) == 1
            resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, before)
            until(lambda: served.ask()[0] == 200 and len(served.states()) > 1)
            served.wait_for("is answered and NOT ON RECORD: Nothing can be recorded")


def test_an_api_that_dies_is_told_and_on_record(served: Served):
    known = served.states()
    status, body = served.ask("die", stream=True)
    assert status == 200
    assert b"word2" in body
    assert b'"code":"provider_error"' in body
    assert b"[DONE]" not in body
    assert served.ask("die")[0] == 502
    after = served.states()
    assert [after[id] for id in after.keys() - known.keys()] == ["failed", "failed"]
    assert served.ask()[0] == 200


def begun(url: str, key: str, **more: object) -> http.client.HTTPConnection:
    """Return a connection on which an answer has begun to come; closing it leaves."""
    connection = hanging(url, key, **more)
    response = connection.getresponse()
    assert response.status == 200
    for _ in range(4):
        response.readline()
    return connection


@pytest.mark.weights
def test_a_client_that_goes_frees_the_model(world: World, url: str, smollm_folder: Path):
    model = load_language(smollm_folder, name="smol", threads=2)
    world.engines.models[world.analyst.version or ""] = model  # type: ignore[assignment]
    _, key = world.key("ana")
    for number in range(3):
        who_leaves, who_stays = (begun(url, key, **LAUGH) for _ in range(2))
        until(lambda: model.stats().running == model.stats().batch == 2)
        who_leaves.close()
        until(lambda: model.stats().running == model.stats().batch == 1)
        who_stays.close()
        until(lambda: model.stats().running == model.stats().waiting == 0)
        assert model.stats().requests == 2 * number + 2
    assert model.stats().tokens_written < 1000
    assert send(url, "POST", CHAT, chat(max_tokens=2), key)[0] == 200


@pytest.mark.weights
@pytest.mark.skipif(sys.platform == "win32", reason="looks at the sockets of another system")
def test_a_server_reaches_nobody_but_the_api(weights_store: Path, tmp_path: Path):
    store = tmp_path / "project"
    store.mkdir()
    shutil.copytree(weights_store / "docs", store / "docs")
    copied(weights_store / ".inhouse", store / ".inhouse")
    unshare = ["unshare", "--net"]
    try:
        alone = not subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        alone = False
    program = [sys.executable, str(HERE / "guarded_round.py"), str(store)]
    command = [*unshare, *program, "alone"] if alone else [*program, "here"]
    path = [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["statuses"] == {"own": 200, "page": 200, "api": 200}
    connects = {
        line for line in found["seen"] if line.startswith(("socket.connect", "socket.send"))
    }
    assert connects == {f"socket.connect ('127.0.0.1', {found['upstream']})"}
    asked = {line for line in found["seen"] if not line.startswith("socket.connect")}
    assert all("127.0.0.1" in line for line in asked)
    before, after, last = found["ways_out"]
    if alone and last != after:  # a system that counts
        assert after == before
