"""Clients that ask a server as fast as it answers, over connections that they keep.

For each line ``{"port", "path", "headers", "body", "clients", "seconds"}`` it prints one with what
happened: answers, failures, latencies in milliseconds by percentile and, of streams, how late the
pieces came that carry the time when they were sent. It is raw sockets, so that it costs little
beside what it measures.
"""

import asyncio
import json
import re
import sys
import time
from typing import Any, cast

SENT = re.compile(rb'"content": ?"(\d+) "')


class Client(asyncio.Protocol):
    """One connection: sends a request, waits for the whole answer, sends it again until time."""

    def __init__(self, request: bytes, until: float) -> None:
        self.request, self.until = request, until
        self.latencies: list[float] = []
        self.lags: list[float] = []
        self.failures = 0
        self.done = asyncio.get_running_loop().create_future()
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        self.buffer = bytearray()
        self.length = -1
        self.started = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self.lags += [(now - int(sent)) / 1e6 for sent in SENT.findall(data)]
        self.buffer += data
        if self.length < 0 and (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).lower()
            found = re.search(rb"content-length: (\d+)", head)
            self.length = end + 4 + int(found[1]) if found else 0
            self.failures += head.split()[1] != b"200"
        whole = self.length and len(self.buffer) >= self.length
        if whole if self.length else self.buffer.endswith(b"\r\n0\r\n\r\n"):
            self.latencies.append((time.perf_counter() - self.started) * 1e3)
            if time.perf_counter() < self.until:
                self.send()
            else:
                self.ended = True
                self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.failures += not self.ended
        self.done.set_result(None)


async def ask(wanted: dict[str, Any]) -> dict[str, float]:
    """Ask with all clients at once; return what happened."""
    body = json.dumps(wanted["body"]).encode()
    lines = [f"POST {wanted['path']} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in wanted["headers"].items()]
    request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    loop, started = asyncio.get_running_loop(), time.perf_counter()
    clients = []
    for _ in range(wanted["clients"]):
        _, client = await loop.create_connection(
            lambda: Client(request, started + wanted["seconds"]), "127.0.0.1", wanted["port"]
        )
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    seconds = time.perf_counter() - started
    latencies = sorted(x for client in clients for x in client.latencies)
    lags = sorted(x for client in clients for x in client.lags)
    return {
        "answers": len(latencies),
        "failures": sum(client.failures for client in clients),
        "rate": len(latencies) / seconds,
        "p50": percentile(latencies, 0.5),
        "p99": percentile(latencies, 0.99),
        "lag": percentile(lags, 0.5),
    }


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share lies; 0 without values."""
    return values[round(share * (len(values) - 1))] if values else 0.0


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(asyncio.run(ask(json.loads(line)))), flush=True)
