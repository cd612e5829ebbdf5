"""An API that answers at once: what a gateway is measured against.

It listens on a free port of this machine, prints it, and ends with its input. A whole answer comes
after 5 ms; a streamed one in a single piece, or from the model ``slow`` in a hundred, 1 ms apart.
Each piece carries the time when it was sent, in nanoseconds of the monotonic clock.
"""

import asyncio
import json
import sys
import time
from typing import Any

SECONDS = 0.005
PIECES, APART = 100, 0.001
USAGE = {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18}
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "mock"}
MESSAGE = {"role": "assistant", "content": "It is six weeks."}


async def main() -> None:
    """Serve until the input ends."""
    server = await asyncio.start_server(_connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
            body = json.loads(await reader.readexactly(int(fields.get(b"content-length", 0))))
            await (_stream if body.get("stream") else _whole)(writer, body)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _whole(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
    await asyncio.sleep(SECONDS)
    choice = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
    answer = {"object": "chat.completion", **HEAD, "choices": [choice], "usage": USAGE}
    text = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
    writer.write(f"{head}\r\n\r\n".encode() + text)


async def _stream(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
    await asyncio.sleep(SECONDS)
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    pieces = PIECES if body["model"] == "slow" else 1
    for number in range(pieces):
        if number:
            await asyncio.sleep(APART)
        _event(writer, {"delta": {"content": f"{time.monotonic_ns()} "}, "finish_reason": None})
    _event(writer, {"delta": {}, "finish_reason": "stop"}, usage=USAGE)
    _chunk(writer, b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")


def _event(writer: asyncio.StreamWriter, choice: dict[str, Any], **more: object) -> None:
    event = {"object": "chat.completion.chunk", **HEAD, "choices": [{"index": 0, **choice}], **more}
    _chunk(writer, b"data: " + json.dumps(event).encode() + b"\n\n")


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


if __name__ == "__main__":
    asyncio.run(main())
