"""Clients that send or read too slowly hold nothing for long."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from serve_world import Model, World, running
from test_serve_door import chat, send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inhouse.core.nouns import Message
from inhouse.core.protocols import Piece, Sampling, Usage
from inhouse.observe.recorder import Recorder
from inhouse.observe.traces import Traces
from inhouse.observe.wanted import Wanted
from inhouse.serve.app import create_app
from inhouse.serve.server import Clients
from inhouse.serve.slow import MAX_HEAD, SLICE

WORDS = "word " * 1_000


@dataclass
class Endless(Model):
    """Says more than anybody reads."""

    said: int = 0

    async def chat(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Piece]:
        try:
            while self.said < 20_000:
                self.said += 1
                await asyncio.sleep(0)
                yield Piece(WORDS)
            yield Piece("", "stop", Usage(1, 1))
        except BaseException:
            self.aborted.set()
            raise


@pytest.fixture
def impatient(world: World, tmp_path: Path) -> Iterator[str]:
    """A server that waits a second for its clients."""
    world.house.sink = recorder = Recorder(tmp_path / "store" / "traces")
    with running(create_app(world.house), clients=Clients(slow=1)) as listening:
        yield listening.url
    recorder.close()


def connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(20)
    made.connect((parts.hostname, parts.port))
    return made


def head(key: str, length: int) -> bytes:
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: x", f"Authorization: Bearer {key}"]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


def rest(client: socket.socket) -> bytes:
    said = b""
    while more := client.recv(4096):
        said += more
    return said


@pytest.mark.parametrize("sent", ["nothing", "half a head", "half a body", "an answer, then half"])
def test_who_sends_too_slowly_is_told_so(world: World, impatient: str, sent: str) -> None:
    _, key = world.key("ana")
    whole = head(key, len(chat())) + chat()
    first = {
        "nothing": b"",
        "half a head": whole[:30],
        "half a body": whole[:-5],
        "an answer, then half": whole + whole[:30],
    }
    with connected(impatient) as client:
        client.sendall(first[sent])
        said = rest(client)
    if sent == "nothing":
        assert said == b""
    else:
        assert b"408 Request Timeout" in said
        assert b'"code":"too_slow"' in said
    assert (b"200 OK" in said) == (sent == "an answer, then half")
    assert send(impatient, "POST", "/v1/chat/completions", chat(), key)[0] == 200


def test_who_reads_too_slowly_is_cut_off_and_on_record(world: World, impatient: str) -> None:
    _, key = world.key("ana")
    model = world.engines.models[world.analyst.version or ""] = Endless("endless")
    body = chat(stream=True)
    with connected(impatient) as client:
        client.sendall(head(key, len(body)) + body)
        client.recv(1000)
        assert model.aborted.wait(20)
    # What was not taken was not made either: the sockets hold a few megabytes of it.
    assert model.said < 5_000
    reader, folder = world.catalog.access.actor("ana"), world.catalog.root / "traces"
    ends = time.monotonic() + 20
    while (found := Traces(world.catalog, folder).find(reader, Wanted()).traces)[0].state == "open":
        assert time.monotonic() < ends
        time.sleep(0.02)
    assert found[0].state == "aborted"


@pytest.mark.parametrize("begun", [b"", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"])
def test_endless_headers_are_cut_off(
    impatient: str, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []
    parse = HttpToolsProtocol.data_received

    def counted(self: HttpToolsProtocol, data: bytes) -> None:
        parsed.append(len(data))
        parse(self, data)

    monkeypatch.setattr(HttpToolsProtocol, "data_received", counted)
    first = b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\n" + begun
    with connected(impatient) as client:
        client.sendall(first)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                client.sendall(b"X: y\r\n" * 1_000)
    assert MAX_HEAD <= sum(parsed) <= MAX_HEAD + (SLICE if begun else 0)


def test_as_many_headers_as_there_may_be(impatient: str) -> None:
    start, end = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", b"\r\n\r\n"
    for more, status in ((0, b"200"), (1, b"431")):
        filling = b"y" * (MAX_HEAD - len(start + end) + more)
        with connected(impatient) as client:
            client.sendall(start + filling + end)
            assert client.recv(1_000).startswith(b"HTTP/1.1 " + status)


def test_endless_headers_are_told_so(impatient: str) -> None:
    with connected(impatient) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 66_000)
        said = rest(client)
    assert b"431 Request Header Fields Too Large" in said
    assert b'"code":"headers_too_large"' in said


def test_a_large_body_is_no_header(world: World, impatient: str) -> None:
    body = chat(messages=[{"role": "user", "content": "word " * 100_000}])
    assert send(impatient, "POST", "/v1/chat/completions", body, world.key("ana")[1])[0] != 431


def test_one_connection_too_many_is_sent_away(world: World) -> None:
    with running(create_app(world.house), clients=Clients(most=2)) as listening:
        first, second = connected(listening.url), connected(listening.url)
        with first, second:
            for client in (first, second):
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
            with connected(listening.url) as third:
                third.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                said = rest(third)
        assert said.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in said
        assert b'"code":"too_many_connections"' in said
        ends = time.monotonic() + 20
        while True:
            with connected(listening.url) as third:
                third.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                if third.recv(1000).startswith(b"HTTP/1.1 200"):
                    break
            assert time.monotonic() < ends
            time.sleep(0.02)
