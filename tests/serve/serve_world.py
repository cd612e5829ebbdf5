"""A catalog with walls in it, small doubles for the engines, and a real server in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from inhouse.catalog import Catalog
from inhouse.core.access import Actor
from inhouse.core.artifact import Edge, Ref
from inhouse.core.errors import Refused
from inhouse.core.label import Label
from inhouse.core.nouns import Endpoint, Found, Hit, Message, Section
from inhouse.core.protocols import CallPart, Candidate, Piece, Sampling, TokenScore, Usage
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage
from inhouse.serve.endpoint import STAGE, Serve
from inhouse.serve.house import House
from inhouse.serve.server import Listening, serve


@dataclass(frozen=True)
class Text:
    text: str


def _write(spec: Text, inputs: Inputs, ctx: Context) -> Result:
    (ctx.work / "bytes").write_text(spec.text)
    return Result()


WRITE = Stage("test.write", 1, _write)


@dataclass
class Model:
    """Says the last message back, word by word; 'wait' hangs, 'break' breaks midway.

    With `answers`, it says those first, one after the other.
    """

    name: str = "echo"
    context_tokens: int | None = None
    answers: list[str] = field(default_factory=list)
    calls: tuple[CallPart, ...] = ()
    seen: list[tuple[Sequence[Message], Sampling]] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    aborted: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def count(self, messages: Sequence[Message]) -> int:
        return sum(len(m.content.split()) for m in messages)

    async def chat(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Piece]:
        self.seen.append((tuple(messages), sampling))
        question = messages[-1].content
        answer = self.answers.pop(0) if self.answers else f"{self.name}: {question}"
        try:
            if question == "break at once":
                raise RuntimeError("a secret of the engine")
            for word in answer.split(" "):
                tokens = () if sampling.logprobs is None else (scored(f"{word} ", -0.5),)
                yield Piece(f"{word} ", tokens=tokens)
            for call in self.calls:
                yield Piece("", calls=(call,))
            self.started.set()
            if question == "break":
                raise RuntimeError("a secret of the engine")
            if question == "wait":
                await asyncio.to_thread(self.go.wait, 20)
            if question == "hang":
                await asyncio.Event().wait()
            finish = "tool_calls" if self.calls else "stop"
            yield Piece("", finish, Usage(self.count(messages), len(question.split()) + 1))
        except (asyncio.CancelledError, GeneratorExit):
            self.aborted.set()
            raise

    async def close(self) -> None:
        self.closed.set()


def scored(text: str, logprob: float | None, start: int = 0) -> TokenScore:
    top = (Candidate(1, b"likelier", -0.1), Candidate(0, text.encode(), logprob))
    return TokenScore(0, text.encode(), logprob, start, top if logprob else ())


def _letters(text: object) -> str:
    return text if isinstance(text, str) else "".join(chr(token % 128) for token in text)


class Local(Model):
    """The same, and it goes on with a text by saying it upper-case; a token is a letter."""

    async def complete(self, prompt: object, sampling: Sampling) -> AsyncIterator[Piece]:
        self.seen.append(((), sampling))
        text = _letters(prompt)
        more = text.upper()[: sampling.max_tokens]
        for start, letter in enumerate(more):
            tokens = () if sampling.logprobs is None else (scored(letter, -0.25, start),)
            yield Piece(letter, tokens=tokens)
        yield Piece("", "length", Usage(len(text), len(more)))

    async def score(self, text: object, *, top: int = 0) -> tuple[TokenScore, ...]:
        said = _letters(text)
        return tuple(scored(c, -1.0 if i else None, i) for i, c in enumerate(said))

    async def score_endings(
        self, text: str, endings: Sequence[str]
    ) -> tuple[Sequence[Sequence[float]], int]:
        scores, read = [], 0
        for ending in endings:
            tokens = await self.score(text + ending)
            read += len(tokens)
            scores.append([t.logprob or 0.0 for t in tokens if t.start >= len(text)])
        return scores, read


class Embedder:
    width = 4

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(t), 1, 0, 0] for t in texts], np.float32)

    def embed_tokens(
        self, texts: Sequence[str], *, starts: Sequence[int]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        pairs = zip(texts, starts, strict=True)
        return self.embed(texts), [self.embed(t[start:].split()) for t, start in pairs]

    def pieces(self, text: str) -> list[str]:
        return text.split()

    def tokens(self, texts: Sequence[str]) -> int:
        return sum(len(t.split()) for t in texts)


@dataclass
class Retriever:
    """Finds the sections that hold a word of the question.

    Those of a source among its walls are for members of a group alone; without walls it forgets to
    filter.
    """

    sections: Sequence[Section]
    walls: dict[str, str] = field(default_factory=dict)
    closed_to: frozenset[str] = frozenset()
    support: float = 1.0
    add: str = ""
    asks: bool = True
    closed: int = 0
    asked: list[tuple[str, Sequence[Message]]] = field(default_factory=list)

    def search(
        self, query: str, actor: Actor, *, top: int, before: Sequence[Message] = ()
    ) -> Found:
        if actor.name in self.closed_to:
            raise Refused("You may read no source here.", "Ask for a group.")
        self.asked.append((query, before))
        words = query.lower().split()
        groups = {"", *actor.groups}
        seen = [s for s in self.sections if self.walls.get(s.source.path, "") in groups]
        found = [s for s in seen if any(w in s.text.lower() for w in words)]
        hits = tuple(Hit(s, s.text.split(". ")[0], 1.0) for s in found[:top])
        return Found(f"{query} {self.add}".strip(), hits, self.support if hits else 0.0, self.asks)

    def close(self) -> None:
        self.closed += 1


@dataclass
class Engines:
    """Opens the doubles, and remembers what was opened."""

    models: dict[str, Model] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    retriever_double: Retriever = field(default_factory=lambda: Retriever([]))
    fail: bool = False

    def model(self, ref: Ref) -> Model:
        self.opened.append(str(ref))
        if self.fail:
            raise RuntimeError("no memory")
        return self.models.setdefault(ref.version or "", Local(ref.name))

    def api(self, endpoint: Endpoint) -> Model:
        self.opened.append(str(endpoint.ref))
        return self.models.setdefault(endpoint.ref.version or "", Model("their-model"))

    def retriever(self, ref: Ref) -> Retriever:
        self.opened.append(str(ref))
        return self.retriever_double

    def section(self, source: Ref, id: str) -> Section | None:
        self.opened.append(str(source))
        of = (s for s in self.retriever_double.sections if s.source == source)
        return next((s for s in of if s.id == id), None)

    def embedder(self, ref: Ref) -> Embedder:
        self.opened.append(str(ref))
        return Embedder()


def section(source: Ref, position: int, heading: str, text: str) -> Section:
    return Section(
        id=f"s{position}",
        source=source,
        document="leave.md",
        position=position,
        headings=("Leave", heading),
        anchor=heading.lower(),
        text=text,
        modified=datetime(2026, 3, 5, 23, tzinfo=UTC).timestamp(),
    )


class World:
    """memos (buy-side) -> analyst -> desk; handbook (open) -> base -> help (with knowledge)."""

    def __init__(self, root: Path) -> None:
        self.catalog = Catalog(root)
        self.engines = Engines()
        access = self.catalog.access
        access.apply({"ana": frozenset({"buy-side"})}, {}, by="admin")
        for name in ("data/handbook", "models/base", "models/analyst", "models/minilm"):
            access.set_label(Ref.parse(name), Label.OPEN, by="admin")
        for name in ("knowledge/desk", "endpoints/desk", "endpoints/help", "endpoints/api"):
            access.set_label(Ref.parse(name), Label.OPEN, by="admin")
        access.set_label(Ref.parse("data/memos"), Label.parse("buy-side"), by="admin")
        self.memos = self.put("data/memos", "memos")
        self.handbook = self.put("data/handbook", "handbook")
        self.base = self.put("models/base", "base", self.handbook)
        self.analyst = self.put("models/analyst", "analyst", self.memos)
        self.minilm = self.put("models/minilm", "minilm")
        self.knowledge = self.put("knowledge/desk", "index", self.handbook)
        self.endpoint("endpoints/desk", self.analyst)
        self.endpoint("endpoints/help", self.base, self.knowledge)
        self.engines.retriever_double = Retriever(
            [
                section(self.handbook, 0, "Parental", "Parents get ten weeks. With pay."),
                section(self.memos, 1, "Secret", "Parents of the target are in Bermuda."),
                section(self.handbook, 2, "Sick", "Sick people and parents rest. At home."),
            ],
            walls={"data/memos": "buy-side"},
        )
        self.house = House(
            self.catalog, self.engines, embedders={"minilm": Ref.parse("models/minilm")}
        )

    def put(self, name: str, text: str, *parents: Ref) -> Ref:
        edges = tuple(Edge(f"from{i}", p) for i, p in enumerate(parents))
        recipe = Recipe(Ref.parse(name), WRITE, Text(text), edges)
        return self.catalog.make(recipe, by="admin").artifact.ref

    def endpoint(
        self,
        name: str,
        model: Ref | None,
        knowledge: Ref | None = None,
        *,
        point: bool = True,
        **settings: object,
    ) -> Ref:
        edges = [Edge("model", model)] if model else []
        edges += [Edge("knowledge", knowledge, "filter")] if knowledge else []
        recipe = Recipe(Ref.parse(name), STAGE, Serve(**settings), tuple(edges))
        return self.catalog.make(recipe, by="admin", point=point).artifact.ref

    def key(self, actor: str) -> tuple[str, str]:
        key, secret = self.catalog.keys.create(actor, by="admin")
        return key.id, secret

    def double(self, ref: Ref) -> Model:
        return self.engines.models.setdefault(ref.version or "", Local(ref.name))


@contextmanager
def running(app: object, **options: object) -> Iterator[Listening]:
    """Run a real server in a thread."""
    up, found = threading.Event(), []

    def ready(listening: Listening) -> None:
        found.append(listening)
        up.set()

    thread = threading.Thread(
        target=serve, args=(app,), kwargs={"port": 0, "ready": ready, **options}
    )
    thread.start()
    try:
        assert up.wait(20)
        yield found[0]
    finally:
        found[0].stop()
        thread.join(20)
        assert not thread.is_alive()
