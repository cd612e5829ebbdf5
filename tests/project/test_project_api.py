"""Somebody's API as a model: its key comes from the environment alone and is kept nowhere."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from project_processes import started
from small_project import inhouse, opened

from inhouse.core.errors import NotSetUp, Refused
from inhouse.core.protocols import Usage
from inhouse.project.release import release

SECRET = "sk-7f3e91c2"


class Api(BaseHTTPRequestHandler):
    """Answers every chat with one sentence, and remembers the keys it was shown."""

    keys: list[str | None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).keys.append(self.headers["Authorization"])
        choices = ({"delta": {"content": "Seven."}}, {"delta": {}, "finish_reason": "stop"})
        lines = [json.dumps({"choices": [{"index": 0, **choice}]}) for choice in choices]
        lines.append(
            json.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write("".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def keys() -> list[str | None]:
    return []


@pytest.fixture
def file(made: Path, keys: list[str | None]) -> Iterator[Path]:
    """The small project, made, with an API that is there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Api,), {"keys": keys}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/v1"
    made.write_text(made.read_text().replace("http://127.0.0.1:9/v1", address))
    with opened(made) as project:
        project.run()
        for name in ("desk", "open"):
            release(project, name)
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_from_an_api_rests_on_our_sections(
    file: Path, keys: list[str | None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SMALL_KEY", SECRET)
    with opened(file) as project:
        heard: list[str] = []
        answered = project.ask("desk", "What is the price?", hear=heard.append)
        assert "seven" in answered.text.lower()
        assert "".join(heard) == answered.text
        assert str(answered.label) == "buy-side"
        assert answered.citations
        assert answered.usage == Usage(5, 2)
        assert keys == [f"Bearer {SECRET}"]
        with pytest.raises(Refused):
            project.ask("desk", "What is the price?", actor="cy")
        assert len(keys) == 1  # nothing was sent for somebody who may not ask


def test_the_key_is_kept_nowhere(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SMALL_KEY", SECRET)
    with opened(file) as project:
        project.run()
        project.ask("desk", "What is the price?")
        with closing(sqlite3.connect(project.catalog.database.file)) as connection:
            assert SECRET not in "".join(connection.iterdump())
    kept = [p for p in file.parent.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert kept == []


def test_a_missing_key_is_one_sentence(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SMALL_KEY", raising=False)
    with opened(file) as project, pytest.raises(NotSetUp) as raised:
        project.ask("desk", "What is the price?")
    assert raised.value.what == "endpoints/desk needs the environment variable SMALL_KEY."
    assert "export SMALL_KEY=" in raised.value.fix
    asked = inhouse("ask", "desk", "What is the price?", cwd=file.parent)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr.startswith("error: endpoints/desk needs")
    assert "Traceback" not in asked.stderr


def test_a_server_says_which_keys_are_missing(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SMALL_KEY", raising=False)
    with started("serve", "--port", "0", cwd=file.parent) as server:
        said = server.until("warning: ")
        assert "endpoints/desk" in said
        assert "SMALL_KEY" in said
    with started("serve", "--port", "0", "--json", cwd=file.parent, SMALL_KEY="k") as server:
        assert json.loads(server.until('"url"'))["missing_keys"] == {}


def test_who_asks_over_http_cannot_mend_a_missing_key(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SMALL_KEY", raising=False)
    made = inhouse("keys", "create", "--actor", "ana", "--json", cwd=file.parent).stdout
    with started("serve", "--port", "0", "--json", cwd=file.parent) as server:
        about = json.loads(server.until('"url"'))
        assert about["missing_keys"] == {"desk": "SMALL_KEY"}
        asked = urllib.request.Request(
            f"{about['url']}/v1/chat/completions",
            b'{"model": "desk", "messages": [{"role": "user", "content": "What is the price?"}]}',
            {"Authorization": f"Bearer {json.loads(made)['key']}"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=60)
        with refused.value as answer:
            error = json.load(answer)["error"]
    assert (answer.status, error["type"], error["code"]) == (503, "server_error", "not_set_up")
    assert "SMALL_KEY" in error["message"]


def test_a_key_of_none_is_no_key(file: Path, keys: list[str | None]):
    with opened(file) as project:
        assert project.ask("open", "What is the price?").text == "Seven."
    assert keys == [None]
    asked = inhouse("ask", "open", "What is the price?", cwd=file.parent)
    assert asked.stdout.endswith("\n\necho; the answer carries the label open\n")


def test_a_door_to_apis_needs_no_numpy() -> None:
    program = (
        "import inhouse.models.remote, inhouse.project.loaders, inhouse.project.project, sys\n"
        "import inhouse.project.recording, inhouse.serve.app, inhouse.serve.server\n"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
