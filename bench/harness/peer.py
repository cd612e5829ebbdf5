"""Peers in environments of their own under ``bench/.peers``, made on demand and kept.

A package index that does not answer is no failure: the peer is unavailable then, and its rows
say so. Only the peer itself is pinned; what it needs is what the index resolves today.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.harness.measure import Round

PEERS = Path(__file__).parents[1] / ".peers"
WORKERS = Path(__file__).parents[1] / "workers"
SECONDS = 1200


class Unavailable(Exception):
    """The package index did not answer, or has not got what was asked for."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A pinned peer: `steps` are the requirements of one installation after another."""

    name: str
    steps: tuple[tuple[str, ...], ...]

    @property
    def folder(self) -> Path:
        """Where its environment lies."""
        return PEERS / self.name

    @property
    def title(self) -> str:
        """What the table calls it: the first requirement of the last step."""
        return self.steps[-1][0].replace("==", " ")

    def ready(self) -> bool:
        """Say whether its environment is there, making it if need be."""
        marker, wanted = self.folder / "installed.txt", repr(self.steps)
        if marker.is_file() and marker.read_text() == wanted:
            return True
        try:
            install(self.folder, *self.steps)
        except Unavailable as cause:
            print(f"{self.name} is unavailable: {cause}", file=sys.stderr)
            return False
        marker.write_text(wanted)
        return True


LM_EVAL = Peer("lm-eval", (("lm-eval[api]==0.4.13", "transformers==5.23.0"),))
LITELLM = Peer("litellm", (("litellm[proxy]==1.106.2",),))
SENTENCE_TRANSFORMERS = Peer(
    "sentence-transformers",
    (("torch==2.13.0",), ("sentence-transformers==6.2.0", "transformers==5.23.0")),
)


def install(folder: Path, *steps: Sequence[str]) -> None:
    """Make a new environment and install into it.

    Raises:
        Unavailable: pip failed or took too long.
    """
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=False)
    for requirements in steps:
        pip("--python", str(program(folder, "python")), "install", *requirements)


def pip(*words: str) -> None:
    """Run this environment's pip.

    Raises:
        Unavailable: it failed or took too long.
    """
    command = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--retries=1", *words]
    try:
        done = subprocess.run(
            [*command, "--disable-pip-version-check"],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"pip took more than {SECONDS} s") from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Unavailable(errors[-1] if errors else f"pip ended with {done.returncode}")


def program(folder: Path, name: str) -> Path:
    """Return where a program of an environment lies."""
    return folder / "Scripts" / f"{name}.exe" if os.name == "nt" else folder / "bin" / name


@contextmanager
def worker(peer: Peer, script: str, *words: str) -> Iterator[Round | None]:
    """Run a program of `bench.workers` in a peer's environment; give its rounds, in seconds.

    It gives None if the peer is unavailable.
    """
    if not peer.ready():
        yield None
        return
    command = [str(program(peer.folder, "python")), str(WORKERS / f"{script}.py"), *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin and process.stdout
        ask, answers = process.stdin, process.stdout

        def measured() -> float:
            ask.write("\n")
            answer = answers.readline()
            if not answer:
                raise RuntimeError(f"{script} ended before it answered")
            return float(answer)

        try:
            yield measured
        finally:
            ask.close()
            process.wait(60)
