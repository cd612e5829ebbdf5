"""Clients that each ask for one answer at once, streamed, and count its tokens.

For each line ``{"port", "path", "headers", "bodies"}`` it sends all bodies at once, each over a
connection of its own, and prints one line when all have ended: ``seconds`` until the last one did,
and ``tokens`` that all have written by the server's own count. It is raw sockets, so that it costs
little beside what it measures.
"""

import asyncio
import json
import re
import sys
import time
from typing import Any

COUNT = re.compile(rb'"completion_tokens": ?(\d+)')


async def one(port: int, request: bytes) -> int:
    """Send a request; return the tokens written."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    writer.write(request)
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"{status!r} {(await reader.read(2000))!r}")
    tail = b""
    while b"[DONE]" not in tail:
        data = await reader.read(2**16)
        if not data:
            raise RuntimeError("the answer broke off")
        tail = (tail + data)[-4096:]
    writer.close()
    return int(COUNT.findall(tail)[-1])


async def ask(wanted: dict[str, Any]) -> dict[str, Any]:
    """Ask with all clients at once; return what happened."""
    requests = []
    for body in wanted["bodies"]:
        data = json.dumps(body).encode()
        lines = [f"POST {wanted['path']} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in wanted["headers"].items()]
        requests.append("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    started = time.perf_counter()
    found = await asyncio.gather(*(one(wanted["port"], request) for request in requests))
    return {"seconds": time.perf_counter() - started, "tokens": sum(found)}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(asyncio.run(ask(json.loads(line)))), flush=True)
