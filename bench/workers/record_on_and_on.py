"""Records from 32 producers until it is killed; prints each id once it was acknowledged.

The argument is the folder to record in.
"""

import asyncio
import os
import sys
import time
import uuid
from pathlib import Path

from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.observe.recorder import Recorder


async def produce(recorder: Recorder) -> None:
    """Record on and on."""
    while True:
        trace = Trace(
            id=uuid.uuid4().hex,
            at=time.time(),
            actor="ana",
            route="/v1/chat/completions",
            state="done",
            label=Label.OPEN,
            answer="y" * 1800,
        )
        await recorder.record(trace)
        os.write(1, f"{trace.id}\n".encode())


async def main() -> None:
    """Record from many at once."""
    recorder = Recorder(Path(sys.argv[1]))
    await asyncio.gather(*(produce(recorder) for _ in range(32)))


if __name__ == "__main__":
    asyncio.run(main())
