"""What waits is tried first: over the documents of today, until it is released or given up."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from project_processes import started
from small_project import edit, environment, opened, quickly, write

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound
from inhouse.project.comparing import compare
from inhouse.project.project import Project
from inhouse.project.release import history, release, roll_back, try_out

DESK = Ref.parse("endpoints/desk")


def top(project: Project, ref: Ref = DESK) -> int:
    return int(project.catalog.get(ref).params["top"])


def documents(project: Project, ref: Ref) -> set[str]:
    parents = {edge.role: edge.parent for edge in project.catalog.get(ref).parents}
    found = project.catalog.get(parents["knowledge"])
    (data,) = (e.parent for e in found.parents if e.parent.section == "data")
    return {name for name, _ in project.catalog.get(data).params["files"]}


@pytest.fixture
def waiting(made: Path) -> Path:
    """A project whose desk would take the top 7, and takes the top 5."""
    edit(made, "knowledge: knowledge/desk", "knowledge: knowledge/desk\n    top: 7")
    with opened(made) as project:
        project.run()
    return made


def canary(project: Project, percent: float = 10, version: str = ""):
    return try_out(project, "desk", version, kind="canary", percent=percent)


def test_a_canary_is_released_or_ended(waiting: Path):
    with opened(waiting) as project:
        served = project.catalog.get(DESK).ref
        tried = canary(project)
        assert [(c.name, c.before, c.after) for c in tried.changes] == [("top", "5", "7")]
        assert (top(project), top(project, tried.trial.ref)) == (5, 7)
        back = roll_back(project, "desk")
        assert (back.ref, back.before, back.ended) == (served, served, tried.trial)
        with pytest.raises(BadInput, match="Nothing was released"):
            roll_back(project, "desk")
        canary(project, 50)
        released = release(project, "desk")
        assert released.ended
        assert (top(project), released.ref) == (7, tried.trial.ref)
        assert project.catalog.trials.running() == []
        assert roll_back(project, "desk").ref == served
        assert [r.withdrawn is None for r in history(project, "desk")] == [True, False]
        with pytest.raises(NotFound):
            canary(project, version="00000000")
        verbs = ("canary", "end canary", "release", "rollback")
        told = [e.action for e in project.catalog.audit() if e.thing.startswith(DESK.path)]
        assert [action for action in told if action in verbs][1:] == [
            "canary", "end canary", "canary", "release", "end canary", "rollback",
        ]  # fmt: skip


def test_new_documents_are_in_the_canary_and_its_actors_stay(waiting: Path):
    with opened(waiting) as project:
        before = canary(project).trial
    (waiting.parent / "docs/memos/one.md").unlink()
    with opened(waiting) as project:
        assert "ends the canary" not in str([p.reason for p in project.plan().steps])
        project.run()
        (trial,) = project.catalog.trials.running()
        assert trial.ref != before.ref
        assert trial.ref == project.catalog.releases.candidate(DESK)
        assert (trial.first, trial.began, trial.percent) == (before.first, before.began, 10)
        for ref in (DESK, trial.ref):
            assert documents(project, ref) == {"docs/memos/two.md"}
        project.run()
        assert project.catalog.trials.running() == [trial]


def test_a_new_candidate_ends_the_canary(waiting: Path):
    with opened(waiting) as project:
        trial = canary(project).trial
    edit(waiting, "top: 7", "top: 8")
    with opened(waiting) as project:
        (reason,) = (p.reason for p in project.plan().steps if p.step.path == DESK.path)
        assert reason.endswith(f"ends the canary of {trial.ref}")
        project.run()
        assert project.catalog.trials.running() == []
        assert (top(project), canary(project).changes[0].after) == (5, "8")


def test_an_older_version_is_tried_over_the_documents_of_today(waiting: Path):
    with opened(waiting) as project:
        old = project.catalog.get(DESK).ref
        release(project, "desk")
    write(waiting.parent, {"docs/memos/three.md": "# Three\n\nText.\n"})
    with opened(waiting) as project:
        project.run()
        trial = canary(project, version=old.version or "").trial
        assert top(project, trial.ref) == 5
        assert "docs/memos/three.md" in documents(project, trial.ref)
    (waiting.parent / "docs/memos/one.md").unlink()
    with opened(waiting) as project:
        project.run()
        (trial,) = project.catalog.trials.running()
        assert top(project, trial.ref) == 5
        assert "docs/memos/one.md" not in documents(project, trial.ref)
        assert canary(project, 20).trial.first == trial.first
        assert top(project, release(project, "desk").ref) == 5


def test_pinned_documents_are_a_new_candidate(waiting: Path):
    edit(waiting, "top: 7", "top: 7\n    pin: knowledge")
    with opened(waiting) as project:
        project.run()
        canary(project)
    write(waiting.parent, {"docs/memos/three.md": "# Three\n\nText.\n"})
    with opened(waiting) as project:
        project.run()
        assert project.catalog.trials.running() == []


KILLED = """
import os, signal, sys
from pathlib import Path
from inhouse.catalog.{module} import {kind}
from inhouse.project.project import Project
def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)
{kind}.{name} = die
Project(Path("inhouse.yaml"), actor="ana").run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
@pytest.mark.parametrize(
    ("module", "kind", "name"),
    [("trials", "Trials", "renew"), ("releases", "Releases", "renew")],
)
def test_a_run_that_was_killed_in_between_is_made_good(
    waiting: Path, module: str, kind: str, name: str
):
    with opened(waiting) as project:
        before = canary(project).trial
    (waiting.parent / "docs/memos/one.md").unlink()
    program = KILLED.format(module=module, kind=kind, name=name)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=waiting.parent, env=environment(), timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    with opened(waiting) as project:
        project.run()
        (trial,) = project.catalog.trials.running()
        assert (trial.first, trial.began) == (before.first, before.began)
        for ref in (DESK, trial.ref):
            assert documents(project, ref) == {"docs/memos/two.md"}
        assert top(project, trial.ref) == 7


class Api(BaseHTTPRequestHandler):
    """Answers every chat with one sentence; with a `hang`, it takes its time."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if asked["model"] == "hangs":
            type(self).begun.set()
            type(self).go.wait(30)
            return
        said = {"delta": {"content": f"{asked['model']}."}}
        choices = (said, {"delta": {}, "finish_reason": "stop"})
        lines = [json.dumps({"choices": [{"index": 0, **choice}]}) for choice in choices]
        usage = {"prompt_tokens": 5, "completion_tokens": 2}
        lines.append(json.dumps({"choices": [], "usage": usage}))
        self.wfile.write("".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def api(made: Path) -> Iterator[type[Api]]:
    """The small project with the APIs `echo` and, waiting, `other`; and what answers for them."""
    handler = type("Here", (Api,), {"go": threading.Event(), "begun": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    here = f"http://127.0.0.1:{server.server_port}/v1"
    text = made.read_text().replace("http://127.0.0.1:9/v1", here)
    made.write_text(text)
    with opened(made) as project:
        project.run()
        release(project, "open")
    other(made, "echo", "other")
    yield handler
    handler.go.set()
    server.shutdown()
    thread.join()
    server.server_close()


def other(file: Path, before: str, after: str) -> None:
    edit(file, f"name: {before}}}}}", f"name: {after}}}}}")
    with opened(file) as project:
        project.run()


def asked(url: str, secret: str) -> str:
    """Ask the endpoint `open`, and return what was said."""
    body = {"model": "open", "messages": [{"role": "user", "content": "Hello?"}]}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {secret}"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)["choices"][0]["message"]["content"]


def test_a_killed_server_answers_as_before(made: Path, api: type[Api]):
    with opened(made) as project:
        actors = [f"a{i}" for i in range(10)]
        secrets = {a: project.catalog.keys.create(a, by="ana")[1] for a in actors}
        trial = try_out(project, "open", kind="canary", percent=50).trial
    expected = {a: "other." if trial.chooses(a) else "echo." for a in actors}
    assert len(set(expected.values())) == 2
    with started("serve", "--port", "0", "--json", cwd=made.parent) as server:
        url = server.sync()["url"]
        assert {a: asked(url, secret) for a, secret in secrets.items()} == expected
        server.process.kill()
    with started("serve", "--port", "0", "--json", cwd=made.parent) as server:
        url = server.sync()["url"]
        assert {a: asked(url, secret) for a, secret in secrets.items()} == expected
        back = quickly("rollback", "open", "--json", cwd=made.parent)
        assert json.loads(back.stdout)["ended"]["ref"] == trial.ref.pinned
        assert {asked(url, secret) for secret in secrets.values()} == {"echo."}


def test_a_shadow_is_compared_and_one_that_hangs_delays_nobody(made: Path, api: type[Api]):
    with opened(made) as project:
        secret = project.catalog.keys.create("ana", by="ana")[1]
        with pytest.raises(BadInput, match="Nothing is tried"):
            compare(project, "open")
        try_out(project, "open", kind="shadow", percent=100)
        with started("serve", "--port", "0", "--json", cwd=made.parent) as server:
            url = server.sync()["url"]
            assert {asked(url, secret) for _ in range(5)} == {"echo."}
            ends = time.monotonic() + 20
            while (found := compare(project, "open")).tried.requests < 5:
                assert time.monotonic() < ends
                time.sleep(0.05)
            for side in (found.released, found.tried):
                assert (side.requests, side.failed, side.completion_tokens) == (5, 0, 10)
                assert side.median_seconds
            other(made, "other", "hangs")
            try_out(project, "open", kind="shadow", percent=100)
            assert [asked(url, secret) for _ in range(20)] == ["echo."] * 20
            assert api.begun.wait(20), "and it was asked, and hangs"
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(20) == 0
        found = compare(project, "open")
        assert (found.tried.requests, found.tried.aborted) == (8, 8)
        assert (found.released.requests, found.released.failed) == (8, 0)
        release(project, "open")
        with pytest.raises(BadInput):
            compare(project, "open")


def test_a_canary_is_compared(made: Path, api: type[Api]):
    with opened(made) as project:
        trial = try_out(project, "open", kind="canary", percent=100).trial
        assert project.ask("open", "Hello?").text == "other."
        project.ask("open", "Hello?")
        found = compare(project, "open")
        assert (found.released.requests, found.tried.requests) == (0, 2)
        assert (found.trial, found.released.median_seconds, found.cut) == (trial, None, False)
        assert found.tried.p95_seconds
        roll_back(project, "open")
        assert project.ask("open", "Hello?").text == "echo."
