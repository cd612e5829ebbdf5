"""The hub, against a small server that speaks like it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from inhouse.core.errors import BadInput, ProviderError
from inhouse.models.pull import Pull
from models.conftest import run_pull

COMMIT = "c" * 40
FILES = {
    "config.json": b'{"model_type": "bert", "max_position_embeddings": 8}',
    "model.safetensors": save({"w": np.ones(3, np.float32)}),
    "pytorch_model.bin": b"pickle",
    "tokenizer.json": b"{}",
    "modeling.py": b"raise SystemExit",
}


class _Hub(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def _answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        name = self.path.rpartition("/")[2]
        body, headers = b"", {"X-Repo-Commit": COMMIT}
        if self.path.startswith("/api/models/org/tiny/") and f"/{COMMIT}" in self.path:
            if "/tree/" in self.path:
                tree = [
                    {"type": "file", "path": n, "size": len(c), "oid": "0"}
                    for n, c in FILES.items()
                ]
                body = json.dumps(tree).encode()
            else:
                siblings = [{"rfilename": n} for n in FILES]
                body = json.dumps({"id": "org/tiny", "sha": COMMIT, "siblings": siblings}).encode()
            headers["Content-Type"] = "application/json"
        elif self.path.startswith(f"/org/tiny/resolve/{COMMIT}/") and name in FILES:
            body = FILES[name]
            headers["ETag"] = f'"{hashlib.sha1(body).hexdigest()}"'
        else:
            headers["X-Error-Code"] = "RevisionNotFound"
        self.send_response(404 if "X-Error-Code" in headers else 200)
        headers["Content-Length"] = str(len(body))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def use_server(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    address = f"http://127.0.0.1:{port}"
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Start the server, and return the paths that it was asked for."""
    _Hub.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    use_server(monkeypatch, server.server_port)
    yield _Hub.asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_pinned_revision_is_fetched(asked: list[str], tmp_path: Path) -> None:
    summary = run_pull(Pull(f"hf://org/tiny@{COMMIT}"), tmp_path / "work")
    assert {p.name for p in (tmp_path / "work").iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    assert summary["parameters"] == 3
    assert not [path for path in asked if path.endswith((".bin", ".py"))]


def test_an_unknown_revision_is_named(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no hf://org/tiny@ddd"):
        run_pull(Pull("hf://org/tiny@" + "d" * 40), tmp_path / "work")


def test_a_name_that_may_move_needs_a_pin() -> None:
    with pytest.raises(BadInput, match="may come to mean other weights"):
        Pull("hf://org/tiny@v1")
    assert Pull("hf://org/tiny@v1", "0" * 64).sha256


def test_an_unreachable_hub_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    use_server(monkeypatch, unused_tcp_port)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # it would try for half a minute
    with pytest.raises(ProviderError, match="did not deliver hf://org/tiny"):
        run_pull(Pull(f"hf://org/tiny@{COMMIT}"), tmp_path / "work")
