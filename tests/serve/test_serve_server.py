"""The server as a process: its port, its end, and requests that are open at the end."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading

import pytest
from serve_world import running
from starlette.applications import Starlette

from inhouse.core.errors import BadInput
from inhouse.serve.server import serve

PROGRAM = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from inhouse.serve.server import serve

async def slow(request):
    print("asked", flush=True)
    await asyncio.sleep(1)
    return PlainTextResponse("whole")

app = Starlette(routes=[Route("/slow", slow)])
serve(app, port=0, ready=lambda listening: print(listening.port, flush=True))
print("ended", flush=True)
"""


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=rf"Port {port} on 127\.0\.0\.1 is taken"):
            serve(Starlette(), port=port)


def test_a_foreign_host_is_one_sentence() -> None:
    with pytest.raises(BadInput, match=r"192\.0\.2\.1 is not an address of this machine"):
        serve(Starlette(), host="192.0.2.1", port=0)


def test_port_zero_is_announced() -> None:
    with running(Starlette()) as listening:
        assert listening.url == f"http://127.0.0.1:{listening.port}"
        assert listening.port > 0


def test_sigterm_lets_open_requests_finish() -> None:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        answers: list[bytes] = []

        def ask() -> None:
            connection.request("GET", "/slow")
            answers.append(connection.getresponse().read())

        asking = threading.Thread(target=ask)
        asking.start()
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGTERM)
        asking.join(20)
        connection.close()
        assert answers == [b"whole"]
        assert process.wait(20) == 0
        assert process.stdout.read() == "ended\n"
