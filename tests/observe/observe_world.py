"""A store with two endpoints behind different walls, and traces of what was asked there."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inhouse.catalog import Catalog
from inhouse.core.access import Actor
from inhouse.core.artifact import Edge, Flow, Ref
from inhouse.core.label import Label
from inhouse.core.nouns import Trace
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage
from inhouse.observe.recorder import Recorder

DAY = 86_400.0
OVER = (time.time() // DAY - 3) * DAY + 3600
"""An hour of a day that has been over for a while."""

ANA = Actor("ana", frozenset({"buy"}))
BO = Actor("bo", frozenset({"buy"}))
EVE = Actor("eve", frozenset({"buy", "sell", "auditor"}))
DPO = Actor("dpo", frozenset({"auditor"}))


@dataclass(frozen=True)
class Text:
    text: str


def write(spec: Text, inputs: Inputs, ctx: Context) -> Result:
    (ctx.work / "text").write_text(spec.text)
    return Result()


def make(catalog: Catalog, path: str, label: str, *parents: tuple[Ref, Flow]) -> Ref:
    ref = Ref.parse(path)
    catalog.access.set_label(ref, Label.parse(label), by="owner")
    edges = tuple(Edge(f"p{i}", parent, flow) for i, (parent, flow) in enumerate(parents))
    return catalog.make(
        Recipe(ref, Stage("write", 1, write), Text(path), edges), by="x"
    ).artifact.ref


@dataclass(frozen=True)
class World:
    catalog: Catalog
    folder: Path
    memos: Ref
    model: Ref
    desk: Ref

    def trace(self, id: str = "", **more: Any) -> Trace:
        about = {"at": OVER, "actor": "ana", "route": "/v1/chat/completions", "state": "done"}
        asked = {"messages": [{"role": "user", "content": "What is the price?"}]}
        made = Trace(
            id=id or uuid.uuid4().hex,
            label=Label.parse("buy"),
            endpoint=self.desk,
            model=f"{self.model.path}@{self.model.version}",
            digest="d" * 64,
            request=asked,
            answer="The price is seven.",
            sections=("s1",),
            sources=(self.memos,),
            **about,
        )
        return replace(made, **more)


@contextmanager
def world(root: Path) -> Iterator[World]:
    catalog = Catalog(root)
    try:
        groups = {actor.name: actor.groups for actor in (ANA, BO, EVE)}
        catalog.access.apply(groups, {}, by="owner")
        memos = make(catalog, "data/memos", "buy")
        model = make(catalog, "models/base", "open")
        base = make(catalog, "knowledge/desk", "open", (memos, "carry"))
        desk = make(catalog, "endpoints/desk", "open", (model, "carry"), (base, "filter"))
        yield World(catalog, root / "traces", memos, model, desk)
    finally:
        catalog.close()


def record(folder: Path, traces: Sequence[Trace]) -> None:
    """Record traces in a worker of their own, which then ends."""
    recorder = Recorder(folder)
    try:
        asyncio.run(_record(recorder, traces))
    finally:
        recorder.close()


async def _record(recorder: Recorder, traces: Sequence[Trace]) -> None:
    for trace in traces:
        await recorder.record(trace)


def holds(root: Path, secret: str) -> list[str]:
    """Return the files of a store in which a text stands, plain."""
    needle = secret.encode()
    files = (path for path in root.rglob("*") if path.is_file())
    return [path.relative_to(root).as_posix() for path in files if needle in path.read_bytes()]
