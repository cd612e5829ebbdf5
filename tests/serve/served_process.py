"""`inhouse serve` as a process of its own, in front of an API on this machine."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from small_project import PROGRAM, environment, opened

PROJECT = """\
project: served
endpoints:
  api: {{model: {{api: "http://127.0.0.1:{port}/v1", name: echo}}}}
  other: {{model: {{api: "http://127.0.0.1:{port}/v1", name: echo}}}}
{more}
"""


class Upstream(http.server.BaseHTTPRequestHandler):
    """An API: says six words; 'wait' goes on after the first when the test says `go`.

    'die' breaks off, 'hang' never ends.
    """

    protocol_version = "HTTP/1.1"
    go: ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = asked["messages"][-1]["content"]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.close_connection = True
        self.end_headers()
        for number in range(6):
            self._event({"choices": [{"delta": {"content": f"word{number} "}}]})
            if text == "wait":
                self.go.wait(60)
            if text == "die" and number == 2:
                return
            if text == "hang":
                time.sleep(5)
        usage = {"prompt_tokens": 4, "completion_tokens": 6}
        self._event({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        pass  # a gateway that goes away is what is tested


@contextmanager
def upstream() -> Iterator[int]:
    """Run it, and give its port."""
    with _Server(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def waiting() -> Iterator[threading.Event]:
    """Let answers to 'wait' wait for what is given, at most until the block ends."""
    Upstream.go.clear()
    try:
        yield Upstream.go
    finally:
        Upstream.go.set()


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


@dataclass
class Served:
    """A running server: where it is, its process, and what it said."""

    file: Path
    port: int
    process: subprocess.Popen[str]
    key: str = ""
    said: list[str] = field(default_factory=list)

    def ask(
        self, content: str = "hi", *, stream: bool = False, endpoint: str = "api", timeout: int = 30
    ) -> tuple[int, bytes]:
        """Ask over a connection of its own; return the status and the whole body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            self.send(connection, content, stream=stream, endpoint=endpoint)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str, key: str = "") -> tuple[int, bytes]:
        """Get something over a connection of its own; return the status and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def send(
        self,
        connection: http.client.HTTPConnection,
        content: str,
        *,
        stream: bool = False,
        endpoint: str = "api",
    ) -> None:
        messages = [{"role": "user", "content": content}]
        body = json.dumps({"model": endpoint, "messages": messages, "stream": stream})
        headers = {"Authorization": f"Bearer {self.key}"}
        connection.request("POST", "/v1/chat/completions", body, headers)

    def workers(self) -> dict[int, int]:
        """Return the processes of the workers by number, as the log tells them."""
        found = re.findall(r"Worker (\d+) is process (\d+)", "".join(self.said))
        return {int(number): int(pid) for number, pid in found}

    def wait_for(self, words: str, seconds: float = 20) -> None:
        """Wait until the log has said something."""
        ends = time.monotonic() + seconds
        while words not in "".join(self.said):
            assert time.monotonic() < ends, f"{words!r} is not in {''.join(self.said)}"
            time.sleep(0.02)

    def states(self) -> dict[str, str]:
        """Return the states of the recorded answers, by the id of their request."""
        from inhouse.observe.wanted import Wanted
        from inhouse.project.recording import traces

        with opened(self.file, "ana") as project:
            asker = project.catalog.access.actor("ana")
            found = traces(project).find(asker, Wanted(), last=10_000).traces
        return {trace.id: trace.state for trace in found}


def project_file(folder: Path, port: int, more: str = "") -> Path:
    """Write and run a project whose endpoints are an API on this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "inhouse.yaml"
    file.write_text(PROJECT.format(port=port, more=more), encoding="utf-8")
    with opened(file, "ana") as project:
        project.run()
    return file


@contextmanager
def serving(file: Path, *words: str, command: Sequence[str] = (), **env: str) -> Iterator[Served]:
    """Run the server, with a key for ana, until the block ends."""
    with opened(file, "ana") as project:
        _, key = project.catalog.keys.create("ana", by="ana")
    program = [*command, *PROGRAM, "serve", "--port", "0", "--json", "-p", str(file), *words]
    with subprocess.Popen(
        program, cwd=file.parent, env=environment(**env), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout and process.stderr
        served = Served(file, 0, process, key)
        listening = threading.Thread(target=lambda: served.said.extend(process.stderr or ()))
        listening.start()
        try:
            line = process.stdout.readline()
            assert line, "".join(served.said)
            served.port = json.loads(line)["port"]
            yield served
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            finally:
                process.kill()
                listening.join()
