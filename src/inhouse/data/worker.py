"""A process that judges rows by one step: ``python -m inhouse.data.worker``.

It is asked on its standard input and answers on its standard output, in messages of JSON and Arrow.
It ends when its input does, so however its starter goes it is not left behind.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import threading
from dataclasses import astuple
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any

from inhouse.data.recipe import restored
from inhouse.data.step import Batch, Given, Note, Verdict, must_look

if TYPE_CHECKING:
    import pyarrow as pa

SIZES = struct.Struct(">QQ")
Message = tuple[dict[str, Any], "pa.Table | None"]


def main() -> None:
    """Start the step that the first message names, then judge the rows of each that follows."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starter decides when to stop
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    asked: SimpleQueue[Message] = SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    told, _ = asked.get()
    given = Given({}, told["seed"], Path(told["folder"]))
    named = restored(told["step"])
    step = named.module.start(named.settings, given)
    assert not must_look(step)
    while True:
        head, rows = asked.get()
        verdict = step.judge(Batch(head["kind"], rows))
        notes = {
            "dropped": [astuple(note) for note in verdict.dropped],
            "flagged": [astuple(note) for note in verdict.flagged],
        }
        send(answers, notes, verdict.rows)


def _listen(asked: SimpleQueue[Message]) -> None:
    while (message := receive(sys.stdin.buffer)) is not None:
        asked.put(message)
    os._exit(0)


def send(pipe: IO[bytes], head: dict[str, Any], rows: pa.Table | None = None) -> None:
    """Write a message."""
    said = json.dumps(head).encode()
    body = b"" if rows is None else _packed(rows)
    pipe.write(SIZES.pack(len(said), len(body)))
    pipe.write(said)
    pipe.write(body)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Message | None:
    """Read a message; None if there is none any more, or not all of it."""
    import pyarrow as pa

    sizes = pipe.read(SIZES.size)
    if len(sizes) < SIZES.size:
        return None
    wanted = SIZES.unpack(sizes)
    said, body = (pipe.read(size) for size in wanted)
    if (len(said), len(body)) != wanted:
        return None
    rows = pa.ipc.open_stream(body).read_all().combine_chunks() if body else None
    return json.loads(said), rows


def verdict_of(message: Message) -> Verdict:
    """Return the verdict that an answer holds."""
    head, rows = message
    dropped, flagged = ([Note(*note) for note in head[what]] for what in ("dropped", "flagged"))
    return Verdict(dropped, flagged, rows)


def _packed(rows: pa.Table) -> pa.Buffer:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue()


if __name__ == "__main__":
    main()
