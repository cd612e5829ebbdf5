"""A stand-in of the Hugging Face hub on a port of this machine, with one repository in it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


def use_hub(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Let the hub's client ask a port of this machine."""
    address = f"http://127.0.0.1:{port}"
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


@contextmanager
def hub(
    monkeypatch: pytest.MonkeyPatch, repository: str, commit: str, files: Mapping[str, bytes]
) -> Iterator[list[str]]:
    """Serve a repository, such as ``models/org/tiny``; yield the paths that it was asked for.

    Its branch `main` is at `commit`; any other revision is unknown.
    """
    asked: list[str] = []

    class Answers(_Hub):
        pass

    Answers.asked, Answers.files = asked, files
    Answers.repository, Answers.commit = repository, commit
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    # How often it looks whether to stop is how long each test waits for it.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    use_hub(monkeypatch, server.server_port)
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Hub(BaseHTTPRequestHandler):
    asked: list[str]
    files: Mapping[str, bytes]
    repository: str
    commit: str

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def _answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        api = f"/api/{self.repository}"
        resolved = f"/{self.repository.removeprefix('models/')}/resolve/{self.commit}/"
        body, headers = b"", {"X-Repo-Commit": self.commit}
        if path.startswith(f"{api}/tree/{self.commit}"):
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": "0"}
                for name, data in self.files.items()
            ]
            body, headers["Content-Type"] = json.dumps(tree).encode(), "application/json"
        elif path in (f"{api}/revision/{self.commit}", f"{api}/revision/main"):
            siblings = [{"rfilename": name} for name in self.files]
            name = self.repository.partition("/")[2]
            told = {"id": name, "sha": self.commit, "siblings": siblings}
            body, headers["Content-Type"] = json.dumps(told).encode(), "application/json"
        elif path.startswith(resolved) and path.removeprefix(resolved) in self.files:
            body = self.files[path.removeprefix(resolved)]
            headers["ETag"] = f'"{hashlib.sha1(body).hexdigest()}"'
        else:
            headers["X-Error-Code"] = "RevisionNotFound"
        self.send_response(404 if "X-Error-Code" in headers else 200)
        for key, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)
