"""Mixing: samples a second from three sources at once, and how soon a run goes on.

What is equal and what is not:

- The same tokens of proposals, handbooks and chats, windows of 2,048 in batches of 8 as int64,
  shares of 0.3, 0.5 and 0.2, from the page cache, in one process without readers beside it.
- mosaicml-streaming keeps four bytes a token, as its users' converters do; litdata four, ours two.
  Both are read as their documentation says, without their worker processes.
- The rows of the peers are CPU seconds a sample. What both put into a start (imports, opening
  files) is left out; our resuming opens the files as well.
- Shares are counted over 1,000,000 draws: how far a source is off after each 1,000 of them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.harness.measure import Goal, Measure, Row, Samples, interleave
from bench.harness.mixed import SHARES, tokens_of
from bench.harness.peer import PEERS, Peer, worker
from inhouse.train.mixer import Mixer
from inhouse.train.positions import place_of, positions
from inhouse.train.schedule import Phase, Schedule
from inhouse.train.tokens import About, Tokenised, Tokens, write_tokens

STREAMING = Peer("streaming", (("torch==2.13.0",), ("mosaicml-streaming==0.13.0",)))
LITDATA = Peer("litdata", (("torch==2.13.0",), ("litdata==0.2.76",)))
LENGTH, BATCH, ROUNDS = 2048, 8, 5
OURS, THEIRS = 16_000, 4_800
ENDLESS = Schedule([Phase(10**12, SHARES)], seed=17)
FAR = 10**10
VOCABULARY = 49_152


def run() -> Iterator[Row]:
    """Measure reading, resuming and shares; nothing if the data is not there."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not (data / "peps").is_dir():
        print("INHOUSE_DATA names no folder with peps: nothing measured.", file=sys.stderr)
        return
    PEERS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mixing-") as name:
        folder = Path(name)
        found = tokens_of(data)
        for source, tokens in found.items():
            np.save(folder / f"{source}.npy", tokens)
        sources = written(folder / "ours", found)
        yield from reading(folder, sources)
        yield from resuming(folder / "ours")
        yield from exact()


def written(folder: Path, found: Mapping[str, NDArray[np.uint16]]) -> dict[str, Tokens]:
    """Return the sources as we keep them."""
    sources = {}
    for name, tokens in found.items():
        (folder / name).mkdir(parents=True)
        write_tokens(folder / name, About("t", VOCABULARY), [Tokenised(name, "d", tokens)])
        sources[name] = Tokens(folder / name)
    return sources


def reading(folder: Path, sources: Mapping[str, Tokens]) -> Iterator[Row]:
    """Read beside each peer."""
    mixer = Mixer(sources, ENDLESS, length=LENGTH, batch=BATCH)
    steps = iter(range(len(mixer)))

    def ours() -> float:
        started = time.process_time()
        for _ in range(OURS // BATCH):
            mixer.at(next(steps))
        return OURS / (time.process_time() - started)

    for peer, script, least in ((STREAMING, "streaming_mix", 10), (LITDATA, "litdata_mix", 1.5)):
        words = (str(folder), json.dumps(SHARES), str(THEIRS))
        with worker(peer, script, *words) as seconds:
            theirs = (lambda ask=seconds: THEIRS / ask()) if seconds else None
            samples = interleave(ours, theirs, rounds=ROUNDS)
        name = f"samples read, beside {peer.name}"
        wanted = Measure(name, "1/CPU-s", Goal("ratio", least), more=True)
        yield Row.of(wanted, samples, peer.title)


def resuming(folder: Path) -> Iterator[Row]:
    """Go on far into a run, from files that are not open yet."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        sources = {name: Tokens(folder / name) for name in SHARES}
        mixer = Mixer(sources, ENDLESS, length=LENGTH, batch=BATCH)
        mixer.at(FAR // BATCH)
        taken.append(time.perf_counter() - started)
    goal = Goal("ours", 0.1)
    yield Row.of(Measure(f"first batch at sample {FAR:,}", "s", goal), Samples(taken, None))
    places = {name: place_of(tokens, LENGTH, 17) for name, tokens in sources.items()}
    size = float(len(json.dumps(positions({}, places, mixer.positions(FAR)))))
    yield Row.of(
        Measure("what a later run goes on from", "B", Goal("ours", 1000)), Samples([size], None)
    )


def exact() -> Iterator[Row]:
    """Count the draws of shares that no thousand divides into."""
    shares = {"a": 0.33719, "b": 0.45133, "c": 0.21148}
    drawn = Schedule([Phase(10**6, shares)], seed=17).draws(0, 10**6).source
    blocks = np.stack([np.bincount(block, minlength=3) for block in drawn.reshape(-1, 1000)])
    wanted = np.outer(np.arange(1, 1001) * 1000, list(shares.values()))
    off = float(np.abs(blocks.cumsum(0) - wanted).max())
    measure = Measure("most that a source is off, after each 1,000", "draws", Goal("ours", 1))
    yield Row.of(measure, Samples([off], None))
