"""HTTP/1.1 to one address, over connections that are kept: a request goes out, its answer comes in.

It follows no redirect, keeps no cookie, takes no compressed answer and knows no proxy. When to ask
again, and what an answer means, is the business of whoever asks.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from inhouse.models.http_connection import Answer, Connection, Pool, Unreachable


class Upstream:
    """One address that requests are posted to, on one event loop."""

    def __init__(
        self, url: str, headers: Mapping[str, str], *, connect: float, idle: float
    ) -> None:
        """Ask at an address; to connect may take `connect` seconds, and each wait `idle`."""
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", "Accept-Encoding: identity"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode()
        self._connect, self._idle = connect, idle
        self._context: ssl.SSLContext | None = None
        self._pool = Pool()

    async def post(self, body: bytes) -> Answer:
        """Send a body; return its answer when that has begun.

        Raises:
            Unreachable: there is no connection, or it went before anything was answered.
            Broken: what came is no HTTP.
            Silent: nothing came.
            TimeoutError: it took too long to connect.
        """
        request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        while (kept := self._pool.take()) is not None:
            try:
                return await kept.ask(request)
            except Unreachable:
                continue  # it was closed while nobody asked
        connection = await self._connected()
        return await connection.ask(request)

    def close(self) -> None:
        """Close all connections; what is under way breaks off."""
        for connection in list(self._pool.open):
            connection.drop()

    async def _connected(self) -> Connection:
        if self._tls and self._context is None:
            context = await asyncio.to_thread(ssl.create_default_context)
            context.set_alpn_protocols(["http/1.1"])
            self._context = context
        try:
            async with asyncio.timeout(self._connect):
                return await self._reached()
        except TimeoutError:
            raise
        except OSError as error:
            raise Unreachable(type(error).__name__) from error

    async def _reached(self) -> Connection:
        """Connect to the first of the host's addresses that lets us."""
        loop = asyncio.get_running_loop()
        known = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        for place, (family, kind, protocol, _, address) in enumerate(known):
            # A socket of Python's own, so that whoever watches connections sees this one.
            made = socket.socket(family, kind, protocol)
            made.setblocking(False)
            try:
                await loop.sock_connect(made, address)
                _, connection = await loop.create_connection(
                    lambda: Connection(self._pool, self._idle),
                    sock=made,
                    ssl=self._context,
                    server_hostname=self._host if self._tls else None,
                )
            except BaseException as error:
                made.close()
                if not isinstance(error, OSError) or place == len(known) - 1:
                    raise
            else:
                return connection
        raise Unreachable("no address")
