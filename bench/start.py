"""Getting started: the first command, the first import, the installation, the demonstration.

What is equal and what is not:

- help: both print their help in a process of their own. The files lie in the page cache after
  the first round, as they do for whoever types a second command.
- import: what a Python program imports first, in a process of its own: `Project` here, `llm`
  there. ``import inhouse`` alone reads a version number, so it has a goal and no peer.
- install: pip into a new environment, no cache, whatever versions the index resolves, once each.
  Ours embeds, searches, generates and serves. sentence-transformers and transformers with torch
  embed and generate, and neither serve nor govern; litellm[proxy] serves other people's models
  and has keys, and neither embeds nor generates by itself.
- demo: everything after the installation, from an empty folder to the last cited answer, weights
  fetched anew.

``BENCH_QUICK=1`` leaves the installations out.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.harness.measure import Goal, Measure, Row, Samples, interleave, running, timed
from bench.harness.peer import (
    LITELLM,
    PEERS,
    SENTENCE_TRANSFORMERS,
    Peer,
    Unavailable,
    install,
    pip,
    program,
)

ROOT = Path(__file__).parents[1]
HERE = Path(sys.executable).parents[1]
LLM = Peer("llm", (("llm==0.36",),))
STACKS = (
    SENTENCE_TRANSFORMERS,
    LITELLM,
)
INSTALLED = (
    Measure("install", "s", Goal("ratio", 1)),
    Measure("size installed", "MB", Goal("ratio", 1)),
    Measure("packages installed", "packages", Goal("ratio", 1)),
)


def run() -> Iterator[Row]:
    """Measure all four, the quick ones first."""
    yield from commands()
    yield from installations()
    yield from demonstration()


def commands() -> Iterator[Row]:
    """Measure help and imports beside `llm`, each in a process of its own."""
    llm = LLM.folder if LLM.ready() else None
    peer = running(str(program(llm, "llm")), "--help") if llm else None
    samples = interleave(
        running(str(program(HERE, "inhouse")), "--help"), peer, rounds=15, scale=1e3
    )
    yield Row.of(Measure("inhouse --help", "ms", Goal("ours", 300)), samples, LLM.title)


def installations() -> Iterator[Row]:
    """Install our wheel and the peers' into new environments."""
    if os.environ.get("BENCH_QUICK"):
        return
    PEERS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PEERS, prefix="install-") as name:
        folder = Path(name)
        try:
            pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
            ours = installed(folder, (str(next(folder.glob("*.whl"))),))
        except Unavailable as cause:
            print(f"nothing can be installed: {cause}", file=sys.stderr)
            return
        for stack in STACKS:
            peer = _tried(folder, stack)
            for number, measure in enumerate(INSTALLED):
                named = replace(measure, name=f"{measure.name}, beside {stack.name}")
                samples = Samples([ours[number]], [peer[number]] if peer else None)
                yield Row.of(named, samples, stack.title)


def demonstration() -> Iterator[Row]:
    """Run the script of `make demo`, then plan the project that it leaves, with nothing to do."""
    demo = running(sys.executable, str(ROOT / "examples" / "demo.py"))
    yield Row.of(Measure("make demo, installed", "s", Goal("ours", 300)), Samples([demo()], None))
    words = (str(program(HERE, "inhouse")), "plan", "--project", str(ROOT / ".demo/inhouse.yaml"))
    planned = interleave(running(*words), None, rounds=9, scale=1e3)
    yield Row.of(Measure("inhouse plan, nothing to do", "ms", Goal("ours", 1000)), planned)


def installed(folder: Path, *steps: tuple[str, ...]) -> tuple[float, float, float]:
    """Install into a new environment; return seconds, megabytes and packages.

    Raises:
        Unavailable: the package index did not answer.
    """
    environment = folder / "environment"
    uncached = [("--no-cache-dir", *requirements) for requirements in steps]
    seconds = timed(lambda: install(environment, *uncached))()
    (packages,) = environment.rglob("site-packages")
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file())
    return seconds, size / 1e6, len(list(packages.glob("*.dist-info")))


def _tried(folder: Path, peer: Peer) -> tuple[float, float, float] | None:
    try:
        return installed(folder, *peer.steps)
    except Unavailable as cause:
        print(f"{peer.name} is unavailable: {cause}", file=sys.stderr)
        return None
