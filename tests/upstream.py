"""Somebody's API on a port of this machine: it answers, or fails in a way that a test chooses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Way = Literal["answers", "fails", "refuses", "breaks", "calls"]
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "now"}}


@dataclass
class Upstream:
    """What it does from now on, what it says, and the bodies of what it was asked."""

    url: str
    way: Way = "answers"
    says: list[str] = field(default_factory=lambda: ["Ten weeks."])
    asked: list[dict[str, Any]] = field(default_factory=list)


def _lines(upstream: Upstream) -> Iterator[dict[str, Any]]:
    said = upstream.says.pop(0) if len(upstream.says) > 1 else upstream.says[0]
    delta = {"tool_calls": [CALL]} if upstream.way == "calls" else {"content": said}
    yield {"choices": [{"index": 0, "delta": delta}]}
    if upstream.way == "breaks":
        yield {"error": {"message": "out of order"}}
    finish = "tool_calls" if upstream.way == "calls" else "stop"
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    yield {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}


@contextmanager
def upstream() -> Iterator[Upstream]:
    """Run one in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status = {"fails": 500, "refuses": 400}.get(made.way, 200)
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            if status == 200:
                lines = [json.dumps(line) for line in _lines(made)]
                self.wfile.write(
                    "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()
                )
            else:
                self.wfile.write(b'{"error": {"message": "not today"}}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Upstream(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
