"""A program for tests: puts a data set through steps, slowly if asked, within bounds of memory.

``python killed_curate.py RAW WORK STEPS SECONDS MEBIBYTES [ON]``: STEPS is JSON; SECONDS is how
long each batch waits; MEBIBYTES bounds what the process may allocate, 0 for no bound; ON is the
address of a Ray cluster.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from rows_world import curated, made

from inhouse.data import apart, unfinished


def main(raw: Path, work: Path, steps: str, seconds: float, mebibytes: int, on: str) -> None:
    put = unfinished.Shelf.put

    def slowly(self, what, number, table, counts=None):
        put(self, what, number, table, counts)
        if what == "rows":
            print(number, flush=True)
            time.sleep(seconds)

    unfinished.Shelf.put = slowly
    apart.FEW = 0
    if mebibytes:
        # What is mapped from files does not count: only what the process allocates.
        resource.setrlimit(resource.RLIMIT_DATA, (mebibytes * 2**20, mebibytes * 2**20))
    curated(work.parent, made(raw, "data/raw"), json.loads(steps), work=work.name, on=on)


if __name__ == "__main__":
    _, raw, work, steps, seconds, mebibytes, *on = sys.argv
    main(Path(raw), Path(work), steps, float(seconds), int(mebibytes), "".join(on))
