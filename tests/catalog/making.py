"""Small recipes and processes that the catalog's tests share."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from inhouse.catalog import Catalog
from inhouse.catalog.blobs import sha256
from inhouse.catalog.schema import artifacts
from inhouse.core.artifact import Edge, Flow, Ref
from inhouse.core.label import Label
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["inhouse.catalog"])


@dataclass(frozen=True)
class Text:
    """`count` is a file to which every run appends a line."""

    text: str
    count: str = field(default="", metadata={"identity": False})
    seconds: float = field(default=0.0, metadata={"identity": False})
    found: str = field(default="open", metadata={"identity": False})


def write(spec: Text, inputs: Inputs, ctx: Context) -> Result:
    """Write the spec's text and that of all inputs; say how often it was begun."""
    with (ctx.work / "begun.log").open("a") as begun:
        begun.write("x")
    if spec.count:
        with Path(spec.count).open("a") as count:
            count.write(f"{ctx.actor.name}\n")
    time.sleep(spec.seconds)
    (ctx.work / "deep").mkdir(exist_ok=True)
    texts = [(given.folder / "deep" / "text.txt").read_text() for given in inputs.values()]
    with (ctx.work / "deep" / "text.txt").open("w") as file:
        file.write("\n".join([spec.text, *texts]))
    begun_times = (ctx.work / "begun.log").stat().st_size
    found = Label.parse(spec.found)
    return Result({"begun": begun_times}, scratch=("begun.log",), found=found)


WRITE = Stage("write", 1, write)


def recipe(path: str, text: str = "text", *parents: Ref, flow: Flow = "carry", **spec) -> Recipe:
    edges = tuple(Edge(f"p{i}", parent, flow) for i, parent in enumerate(parents))
    return Recipe(Ref.parse(path), WRITE, Text(text, **spec), edges)


def make(catalog: Catalog, path: str, text: str = "text", *parents: Ref, **more) -> Ref:
    return catalog.make(recipe(path, text, *parents, **more), by="maker").artifact.ref


def label(catalog: Catalog, path: str, text: str) -> None:
    catalog.access.set_label(Ref.parse(path), Label.parse(text), by="owner")


def text_of(catalog: Catalog, ref: Ref) -> str:
    return (catalog.load(ref).folder / "deep" / "text.txt").read_text()


@contextmanager
def opened(root: Path) -> Iterator[Catalog]:
    catalog = Catalog(root)
    try:
        yield catalog
    finally:
        catalog.close()


@contextmanager
def started(target: Callable[..., None], *args: object) -> Iterator[BaseProcess]:
    """Run a function in a process of its own, which is gone at the end."""
    process = processes.Process(target=target, args=args)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def run_all(target: Callable[..., None], many: list[tuple]) -> None:
    """Run a function in one process for each tuple of arguments; all must end well."""
    running = [processes.Process(target=target, args=args) for args in many]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    codes = [process.exitcode for process in running]
    for process in running:
        process.kill()
        process.join()
        process.close()
    assert codes == [0] * len(many)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for(what: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.005)


def assert_sound(root: Path) -> None:
    """The store opens, what is on record loads, and every blob has the bytes of its name."""
    with opened(root) as catalog:
        with catalog.database.read() as connection:
            rows = connection.execute(artifacts.select().where(artifacts.c.gone.is_(None))).all()
        for row in rows:
            catalog.load(Ref.parse(row.path).at(row.version))
        for artifact in catalog.list():
            assert catalog.made(artifact.ref.version)
    for blob in (root / "blobs").glob("*/*"):
        assert sha256(blob) == blob.name
