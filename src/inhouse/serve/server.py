"""Runs the app on a port until it is told to stop, and then lets open requests finish."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from inhouse.core.errors import BadInput
from inhouse.serve.slow import SLOW_SECONDS, Patient, look_over

log = logging.getLogger(__name__)

BACKLOG = 512
PORT = 8000
CONNECTIONS = 2_000
FILES = 256  # that a process may have open beside its connections
GRACE_SECONDS = 30
YOUNG = 20_000  # new objects between two looks for cycles
TICKS = 10  # of a tenth of a second each, between two looks at slow clients


@dataclass(frozen=True, slots=True)
class Listening:
    """A server that answers: where, and how to stop it from any thread."""

    url: str
    port: int
    stop: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Clients:
    """How slow a client may be, and how many may come.

    One is cut off that takes longer than `slow` seconds to send a request, or to take what is ready
    for it. Where as many connections are open as there may be at `most`, who comes is sent away.
    """

    slow: float = SLOW_SECONDS
    most: int = CONNECTIONS


def serve(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    ready: Callable[[Listening], None] | None = None,
    clients: Clients | None = None,
    leaving: Leaving | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `Listening.stop`; port 0 takes any free one.

    The rest is as `serve_on` has it.

    Raises:
        BadInput: the port is taken, or the host is not this machine's.
    """
    with listen(host, port) as listener:
        serve_on(
            listener,
            app,
            ready=ready,
            clients=clients,
            leaving=leaving,
        )


def serve_on(
    listener: socket.socket,
    app: ASGIApp,
    *,
    ready: Callable[[Listening], None] | None = None,
    clients: Clients | None = None,
    leaving: Leaving | None = None,
) -> None:
    """Serve on a socket that listens, which other processes may share.

    `ready` is called once requests are answered. Requests that are open at the end have
    `GRACE_SECONDS` to finish; then they are cut off. Before that, `leaving` says what comes.
    The `clients` say which are cut off, and how many may come.
    """
    clients = clients or Clients()
    _make_room(clients.most)
    config = uvicorn.Config(
        app,
        access_log=False,
        backlog=BACKLOG,
        http=Patient,
        limit_concurrency=clients.most,
        lifespan="on",
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ws="none",
    )
    server = _Server(config)
    server.slow_seconds = clients.slow
    server.leaving = leaving or Leaving()
    server.announce = lambda: (ready or _log_ready)(
        Listening(url_of(listener), listener.getsockname()[1], server.stop)
    )
    _spare_the_collector()
    with _signals_end_quietly():
        server.run(sockets=[listener])


def url_of(listener: socket.socket) -> str:
    """Return the address of a socket that listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@dataclass(frozen=True, slots=True)
class Leaving:
    """How to leave: `tell` is called at once, in a signal handler, when the server is to stop.

    After SIGTERM it goes on answering for some `seconds`, or until the next signal, so that whoever
    sends requests here can notice.
    """

    tell: Callable[[], None] = lambda: None
    seconds: float = 0.0


class _Server(uvicorn.Server):
    announce: Callable[[], None]
    slow_seconds: float
    leaving: Leaving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.announce()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS == 0:
            now = asyncio.get_running_loop().time()
            look_over(self.server_state.connections, now, self.slow_seconds)
        return await super().on_tick(counter)

    def stop(self) -> None:
        self.leaving.tell()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.leaving.tell()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._captured_signals == [signal.SIGTERM]:
            ends = time.monotonic() + self.leaving.seconds
            while time.monotonic() < ends and len(self._captured_signals) == 1:
                await asyncio.sleep(0.1)
        await super().shutdown(sockets)


def _log_ready(listening: Listening) -> None:
    log.info("Listening on %s", listening.url)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        BadInput: the port is taken, or the host is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
            # asyncio sends small chunks at once (TCP_NODELAY) only where TCP is named.
            return socket.socket(
                family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach()
            )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"Port {port} on {host} is taken by another program."
            fix = "Stop it, or choose another port (0 takes any free one)."
        elif error.errno == errno.EACCES:
            what = f"Port {port} is not open to ordinary users."
            fix = "Choose a port from 1024 up."
        else:
            what = f"{host} is not an address of this machine: {error.strerror}."
            fix = "Use 127.0.0.1, or 0.0.0.0 to listen on all of its addresses."
        raise BadInput(what, fix) from error


def _make_room(connections: int) -> None:
    """Let this process open as many files as its connections and those to others may take."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _spare_the_collector() -> None:
    """Let the collector of cycles pass over what is here for good, and look less often.

    A request makes next to no cycles; looking for them took a sixth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


@contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Keep the server, which raises its signals again after it is done, from killing the caller."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, lambda *_: None) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
