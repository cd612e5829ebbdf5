"""Somebody else's server as a process of ours: started, watched, asked over HTTP, and stopped.

It listens on this machine alone, behind a key that is made anew each time. What is asked of it,
and what its answers mean, is the engines' business.
"""

from __future__ import annotations

import asyncio
import collections
import http.client
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from inhouse.core.errors import BadInput, EngineFailed, EngineStopped, NotSetUp
from inhouse.models.keeper import FIRST_LINE
from inhouse.models.sse import MalformedStream, events

HOST = "127.0.0.1"
KEPT_LINES = 200
SHOWN_LINES = 6
ANSWER_LIMIT = 256 * 2**20
"""Bytes; what a server says of all the words it knows, or of a long prompt, is large."""
LINE_LIMIT = 2**20
POLL_SECONDS = 0.1
STOP_SECONDS = 15
ENDING_SECONDS = 1.0
"""How long after its connections the end of a process may be seen."""

PASSED_ON = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TEMP|TMP|CC|CXX"
    "|LD_LIBRARY_PATH|DYLD_.*|PYTHONPATH|PYTHONHOME|VIRTUAL_ENV|XDG_(CACHE|CONFIG)_HOME"
    "|SYSTEMROOT|WINDIR|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|USERPROFILE"
    "|(CUDA|NVIDIA|HIP|ROCR|ROCM|HSA|VK|NCCL|TORCH|TRITON|OMP|MKL|KMP|OPENBLAS|GGML|LLAMA|VLLM)_.*",
    re.IGNORECASE,
)
NUMBER = re.compile(re.escape(FIRST_LINE).replace(b"%d", rb"(\d+)"))
SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
"""Of our environment, what somebody else's program needs: not the keys of other services."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a server is started.

    `command` goes before ``--host`` and ``--port``; `key_variable` is the environment variable
    that it takes its key from, which keeps the key out of the list of processes; `seconds` is how
    long it may take until it says at ``/health`` that it is ready. `guarded` is a path that it
    answers to nobody without the key.
    """

    name: str
    command: Sequence[str]
    key_variable: str
    guarded: str
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 600.0


class ManagedServer:
    """One running server. It is not started anew: whoever owns it makes another."""

    def __init__(self, launch: Launch) -> None:
        """Start it and wait until it is ready.

        Raises:
            NotSetUp: it ended, or was not ready in time; the log has its last words.
        """
        self._launch = launch
        self._key = secrets.token_urlsafe(32)
        self._lines: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._port = _free_port()
        self._asked = self._closing = False
        address = ("--host", HOST, "--port", str(self._port))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "inhouse.models.keeper", *launch.command, *address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**_environment(), **launch.environment, launch.key_variable: self._key},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self._asked = True

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return self._launch.name

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Session, None]:
        """Open a connection or more; what is under way when it closes is aborted."""
        timeout = aiohttp.ClientTimeout(sock_connect=10)
        headers = {"Authorization": f"Bearer {self._key}"}
        async with aiohttp.ClientSession(
            f"http://{HOST}:{self._port}", headers=headers, timeout=timeout, read_bufsize=LINE_LIMIT
        ) as client:
            yield Session(self, client)

    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        """Yield the events of one answer; closing it early aborts it.

        Raises:
            EngineStopped: the process has ended.
            EngineFailed: it could not answer this, and goes on.
            BadInput: the server refuses the request.
        """
        async with (
            self.session() as session,
            session.post(path, body) as response,
            aclosing(events(response.content)) as found,
        ):
            async for event in found:
                yield event

    async def ended(self) -> bool:
        """Return whether its process is gone, or goes right now."""
        limit = time.monotonic() + ENDING_SECONDS
        while self.running and time.monotonic() < limit:
            await asyncio.sleep(POLL_SECONDS)
        return not self.running

    def stop(self) -> None:
        """Stop the server and all that it started."""
        self._closing = True
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _listen(self) -> None:
        """Read what the server says, and log its last words if it ends before it is asked.

        Later ones may quote what somebody asked: nobody keeps them.
        """
        assert self._process.stdout is not None
        number = self._process.pid
        for line in self._process.stdout:
            if first := NUMBER.fullmatch(line):
                number = int(first[1])
            elif not self._asked:
                self._lines.append(line.decode(errors="replace").rstrip())
        if self._closing:
            return
        how = f"{self.name} (process {number}) {_ending(self._process.wait())}"
        if self._asked:
            log.error("%s.", how)
        else:
            log.error("%s. Its last words: %s", how, self._last_words())

    def _last_words(self) -> str:
        return " | ".join([line for line in self._lines if line][-SHOWN_LINES:]) or "none"

    def _wait_until_ready(self) -> None:
        limit = time.monotonic() + self._launch.seconds
        while time.monotonic() < limit:
            if not self.running:
                self._listener.join(STOP_SECONDS)
                raise self._not_ready("ended before it was ready")
            if _ready(self._port, self._launch.guarded, self._key):
                return
            time.sleep(POLL_SECONDS)
        log.error("%s is not ready. Its last words: %s", self.name, self._last_words())
        raise self._not_ready(f"was not ready after {self._launch.seconds:g} s")

    def _not_ready(self, what: str) -> NotSetUp:
        return NotSetUp(
            f"{self.name} {what}.",
            "Mend what it complains of, which is in the log, or use another engine for this model.",
        )


class Session:
    """Connections to a server for one thing to do."""

    def __init__(self, server: ManagedServer, client: aiohttp.ClientSession) -> None:
        self._server = server
        self._client = client

    @asynccontextmanager
    async def post(
        self, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Send a request and give the response; a fault while it is read counts as well.

        Raises:
            EngineStopped: the process has ended.
            EngineFailed: it could not answer this, and goes on.
            BadInput: the server refuses the request.
        """
        try:
            async with self._client.post(
                path, data=orjson.dumps(body), headers={"Content-Type": "application/json"}
            ) as response:
                if response.status >= 500:
                    log.error("%s answered %d", self._server.name, response.status)
                    raise EngineFailed
                if response.status != 200:
                    raise refusal(await response.content.read(LINE_LIMIT))
                yield response
        except (aiohttp.ClientError, ConnectionError, MalformedStream, ValueError) as error:
            log.error("%s broke off: %s", self._server.name, type(error).__name__)
            if isinstance(error, aiohttp.ClientConnectorError) or await self._server.ended():
                raise EngineStopped from error
            raise EngineFailed from error

    async def ask(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the whole answer to a request, as `post` raises."""
        whole = bytearray()
        async with self.post(path, body) as response:
            async for chunk in response.content.iter_any():
                whole += chunk
                if len(whole) > ANSWER_LIMIT:
                    raise MalformedStream("the answer is too long")
            return orjson.loads(whole)


def refusal(said: bytes | Mapping[str, Any]) -> BadInput:
    """Return the error for what a server says of a request that it does not take."""
    try:
        event = orjson.loads(said) if isinstance(said, bytes) else said
        reason = str(event["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        reason = "no reason is given"
    return BadInput(
        f"The engine does not take this request: {reason[:300].rstrip('.')}.",
        "Mend it, or leave it out.",
    )


def find_program(name: str, variable: str, fix: str) -> str:
    """Return where a program is: what the environment variable names, or what PATH leads to.

    Raises:
        NotSetUp: it is not there; `fix` says how to get it.
    """
    named = os.environ.get(variable)
    found = shutil.which(named or name)
    if found is None:
        where = f"{variable} names {named}, which is no program" if named else "it is not on PATH"
        raise NotSetUp(f"This model runs on {name}, and {where}.", fix)
    return str(Path(found).absolute())


def _ending(status: int) -> str:
    """Return how a program ended, by what its keeper passes on: above 128 stands for a signal."""
    number = -status if status < 0 else status - 128
    if number > 0:
        try:
            return f"was killed by signal {number} ({signal.Signals(number).name})"
        except ValueError:
            pass  # a program may end with any number
    return f"has ended with exit code {status}"


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if PASSED_ON.fullmatch(name) and not SECRET.search(name)
    }


def _ready(port: int, guarded: str, key: str) -> bool:
    """Return whether the server is ready, and ours: another may have taken the port before it."""
    return (
        _status(port, "/health", {}) == 200
        and _status(port, guarded, {"Authorization": "Bearer another"}) == 401
        and _status(port, guarded, {"Authorization": f"Bearer {key}"}) == 200
    )


def _status(port: int, path: str, headers: Mapping[str, str]) -> int:
    """Return what a server answers to a path, 0 for nothing."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path, headers=dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
