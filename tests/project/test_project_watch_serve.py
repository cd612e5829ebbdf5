"""A server in another process answers from what `inhouse run --watch` made, a moment later."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from project_processes import started
from small_project import edit, inhouse, opened

from inhouse.project.release import release

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ends with signals")


class Echo(BaseHTTPRequestHandler):
    """A model that says what it was told: the sections and the question."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = "\n".join(message["content"] for message in asked["messages"])
        choices = ({"delta": {"content": said}}, {"delta": {}, "finish_reason": "stop"})
        lines = [json.dumps({"choices": [{"index": 0, **choice}]}) for choice in choices]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write("".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def echoing(made: Path) -> Iterator[Path]:
    """The small project with a model that is there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    text = made.read_text(encoding="utf-8")
    text = text.replace("http://127.0.0.1:9/v1", f"http://127.0.0.1:{server.server_port}/v1")
    text = text.replace("knowledge: knowledge/desk", "knowledge: knowledge/desk\n    check: false")
    made.write_text(text, encoding="utf-8")
    with opened(made) as project:
        project.run()
        release(project, "desk")
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_next_answer_is_from_the_new_revision(echoing: Path):
    folder = echoing.parent
    key = json.loads(inhouse("keys", "create", "--actor", "ana", "--json", cwd=folder).stdout)[
        "key"
    ]
    with started("run", "--watch", cwd=folder) as watch:
        watch.until("following")
        with started("serve", "--port", "0", "--json", cwd=folder, SMALL_KEY="k") as server:
            url = json.loads(server.until('"url"'))["url"]

            def ask() -> str:
                body = {
                    "model": "desk",
                    "messages": [{"role": "user", "content": "What is the price?"}],
                }
                headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
                request = urllib.request.Request(
                    f"{url}/v1/chat/completions", json.dumps(body).encode(), headers
                )
                with urllib.request.urlopen(request, timeout=60) as response:
                    return str(json.load(response)["choices"][0]["message"]["content"])

            def until(there: str, before: str) -> None:
                """Ask on and on: the old revision answers until the new one does."""
                limit = time.monotonic() + 60
                while there not in (said := ask()):
                    assert before in said
                    assert time.monotonic() < limit
                assert before not in said

            until("The price is seven.", "nothing else")
            edit(folder / "docs/memos/one.md", "is seven.", "is eight.")
            until("The price is eight.", "The price is seven.")
            (folder / "docs/memos/one.md").unlink()
            watch.until("changed")
            limit = time.monotonic() + 60
            while "The price" in ask():
                assert time.monotonic() < limit
