"""The small HTTP client, against a server that says exactly what a test wants it to."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inhouse.models.http_connection import Answer, Broken, Silent, Unreachable
from inhouse.models.upstream import Upstream

OK = b"HTTP/1.1 200 OK\r\n"
FIVE = OK + b"Content-Length: 5\r\n\r\nhello"


class Server:
    """Answers each request with the next of its answers, word for word; None hangs up."""

    def __init__(self) -> None:
        self.answers: list[bytes | None] = []
        self.asked: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.open: list[asyncio.StreamWriter] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].split()[0])
                self.asked.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                for part in answer.split(b"|"):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.01)
                if b"until the end" in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.talk, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    for writer in made.open:
        writer.close()


@pytest.fixture
async def upstream(server: Server) -> AsyncIterator[Upstream]:
    url = f"http://127.0.0.1:{server.port}/v1/chat?x=1"
    made = Upstream(url, {"X-Key": "k"}, connect=5, idle=0.3)
    yield made
    made.close()
    await asyncio.sleep(0)


async def whole(answer: Answer) -> bytes:
    said = b""
    while chunk := await answer.read():
        said += chunk
    answer.close()
    return said


async def test_a_connection_carries_one_answer_after_the_other(server: Server, upstream: Upstream):
    server.answers = [FIVE] * 3
    for number in range(3):
        answer = await upstream.post(b"%d" % number)
        assert (answer.status, answer.headers) == (200, {b"content-length": b"5"})
        assert await whole(answer) == b"hello"
    assert server.connections == 1
    assert server.asked[2].startswith(b"POST /v1/chat?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert server.asked[2].endswith(b"X-Key: k\r\nContent-Length: 1\r\n\r\n2")


async def test_those_that_ask_at_once_have_connections_of_their_own(
    server: Server, upstream: Upstream
):
    server.answers = [FIVE] * 4
    answers = await asyncio.gather(*(upstream.post(b"") for _ in range(4)))
    assert [await whole(answer) for answer in answers] == [b"hello"] * 4
    assert server.connections == 4


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe|\r\n3\r\nll|o\r\n0\r\n|\r\n", b"hello"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: trailer\r\n\r\n", b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\n|HTTP/1.1 103 Hints\r\nA: b\r\n\r\n|" + FIVE, b"hello"),
        (OK + b"X: y\r\n\r\nuntil the |end", b"until the end"),
        (b"HTTP/1.1 204 None\r\n\r\n", b""),
    ],
)
async def test_answers_end_in_different_ways(
    server: Server, upstream: Upstream, said: bytes, body: bytes
):
    server.answers = [said.replace(b"the |end", b"the end"), FIVE]
    assert await whole(await upstream.post(b"")) == body
    assert await whole(await upstream.post(b"")) == b"hello"


async def test_a_connection_that_was_closed_meanwhile_costs_nothing(
    server: Server, upstream: Upstream
):
    server.answers = [FIVE, FIVE, None, FIVE]
    first, second = await asyncio.gather(upstream.post(b""), upstream.post(b""))
    assert (await whole(first), await whole(second)) == (b"hello", b"hello")
    server.open.pop().close()
    assert (await upstream.post(b"")).status == 200
    assert server.connections == 3


async def test_what_is_said_leaves_the_connection_to_others(server: Server, upstream: Upstream):
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    server.answers = [chunked + b"|0\r\n\r\n", FIVE, chunked + b"|0\r\n\r\n", FIVE]
    for said, connections in ((True, 1), (False, 2)):
        answer = await upstream.post(b"")
        assert await answer.read() == b"hello"
        answer.close(said=said)
        await asyncio.sleep(0.1)
        assert await whole(await upstream.post(b"")) == b"hello"
        assert server.connections == connections


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"SSH-2.0\r\n\r\n", Broken),
        (OK + b"X: y\r\n" * 20_000, Broken),
        (b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx", Broken),
        (OK, Silent),
        (None, Unreachable),
    ],
)
async def test_what_is_no_answer(
    server: Server, upstream: Upstream, said: bytes | None, kind: type[Exception]
):
    server.answers = [said] * 2
    with pytest.raises(kind):
        await upstream.post(b"")


async def test_an_answer_that_is_cut_off_or_falls_silent(server: Server, upstream: Upstream):
    server.answers = [OK + b"Content-Length: 90\r\n\r\nuntil the end"]
    answer = await upstream.post(b"")
    with pytest.raises(Broken, match="cut off"):
        await whole(answer)
    server.answers = [OK + b"Content-Length: 90\r\n\r\nhe"]
    answer = await upstream.post(b"")
    assert await answer.read() == b"he"
    with pytest.raises(Silent):
        await answer.read()


async def test_more_than_is_read_is_not_taken(server: Server, upstream: Upstream):
    server.answers = [OK + b"Content-Length: %d\r\n\r\n" % 2**25 + b"x" * 2**25, FIVE]
    answer = await upstream.post(b"")
    await asyncio.sleep(0.2)
    assert len(answer._unread) < 2**24
    assert len(await whole(answer)) == 2**25
    assert await whole(await upstream.post(b"")) == b"hello"


async def test_nobody_there(unused_tcp_port: int):
    upstream = Upstream(f"http://localhost:{unused_tcp_port}/", {}, connect=5, idle=5)
    with pytest.raises(Unreachable):
        await upstream.post(b"")


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
async def test_tls_is_checked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key,
         "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{listening.sockets[0].getsockname()[1]}/"
    server.answers = [FIVE, FIVE]
    stranger = Upstream(url, {}, connect=5, idle=5)
    with pytest.raises(Unreachable, match="SSLCertVerificationError"):
        await stranger.post(b"")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    upstream = Upstream(url, {}, connect=5, idle=5)
    for _ in range(2):
        assert await whole(await upstream.post(b"")) == b"hello"
    upstream.close()
    await asyncio.sleep(0.05)
    listening.close()
