"""Outcomes: what continuing, instructing and preferring bring on texts that no model has seen.

What is equal and what is not:

- All models are of one project file: SmolLM2-135M-instruct as it is pulled is the peer, and three
  adapters of rank 16 that `inhouse run` trains on it, one a method. Settings are those of the
  project file below; nothing was chosen by what is measured here.
- All are measured by the same code in float32: each text by itself, no more than 256 tokens of a
  document, all of a dialogue. Intervals are of 95 %, over the texts or the pairs drawn anew; where
  two models are compared, the same ones are drawn for both.
- Proposals are Python's, an excerpt of each. One of ten is held out. Of dialogues what the
  assistant says counts, its end included; of preferences the short ones are learnt and asked.
- General text is prose of engineering organisations. A share of it is learnt besides proposals and
  dialogues, from three repositories; what is measured is from fourteen others, of which nothing is
  learnt.

`PART=continue` does one part alone, or several with commas between; the others keep their rows.
What was made lies in the folder `WORK`, by default one of the system's for temporary files, so
that a bench which was cut off goes on where it stood.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import inhouse
from bench import preferences
from bench.harness.artifacts import opened
from bench.harness.measure import Figure, Row
from bench.harness.report import RESULTS
from inhouse.catalog.rows import Kind, write_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Input, Ref
from inhouse.core.stage import Context
from inhouse.evaluate.bootstrap import Interval, resampled
from inhouse.project.project import Project
from inhouse.train import tokenise
from inhouse.train.tokens import Tokens

FILE = """\
project: outcomes
data:
  peps: {from: ./peps.jsonl}
  general: {from: ./general.jsonl}
  chats: {from: ./chats.jsonl}
  pairs: {from: ./pairs.jsonl}
models:
  base: {from: smollm2-135m-instruct}
  continue: {method: continue, base: models/base, mix: {data/peps: 0.7, data/general: 0.3},
    budget: {tokens: 32k}, length: 256, batch: 4, rate: 0.0005}
  instruct: {method: instruct, base: models/base, mix: {data/chats: 0.8, data/general: 0.2},
    budget: {tokens: 24k}, length: 512, batch: 2, rate: 0.0005}
  prefer: {method: prefer, base: models/base, mix: data/pairs, length: 512, batch: 2,
    rate: 0.0003}
"""
PARTS = ("continue", "instruct", "prefer")
BASE = "SmolLM2-135M-instruct"
LEARNT_FROM = ("sourcegraph+handbook", "rust-lang+rfcs", "kubernetes+enhancements")
NOT_GENERAL = (*LEARNT_FROM, "python+peps")
CHARACTERS, TOKENS = 2_000, 256
"""So much of a document is learnt at most, and so much of one that is held out is measured."""
DOCUMENTS, CHATS, PAIRS = 300, 400, 320
"""How many documents of each kind, dialogues and pairs may be learnt."""
HELD, HELD_PAIRS = 64, 320
EVERY = 10
MOST_RISE = 1.05

Lost = np.ndarray[Any, np.dtype[np.float64]]
"""Of each text what the model finds it unlikely by, in nats, and its tokens, [texts, 2]."""
Told = np.ndarray[Any, np.dtype[np.float64]]
"""Of each pair 1 if the chosen answer has the higher score, else 0, [pairs]."""
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Work:
    """The project, where it lies, and the texts that were held out, by the name of their set."""

    project: Project
    folder: Path
    held: Mapping[str, tuple[Kind, Rows]]


def run() -> Iterator[Row]:
    """Train and measure each part that is asked for; nothing if data or what learns are missing."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not ((data / "peps").is_dir() and find_spec("torch")):
        print("INHOUSE_DATA names no folder with peps, or there is no torch.", file=sys.stderr)
        return
    asked = os.environ.get("PART", ",".join(PARTS)).split(",")
    folder = Path(os.environ.get("WORK", Path(tempfile.gettempdir(), "inhouse-outcomes")))
    folder.mkdir(parents=True, exist_ok=True)
    held = written(folder, data)
    project = inhouse.open(folder / "inhouse.yaml", actor="bench")
    with closing(project):
        work = Work(project, folder, held)
        for part in PARTS:
            yield from MEASURES[part](work) if part in asked else kept(part)


def written(folder: Path, data: Path) -> dict[str, tuple[Kind, Rows]]:
    """Write the project file and what is learnt; return what is held out, with its kind."""
    peps, general, strange = proposals(data), *prose(data)
    with (data / "dialogues" / "sgd.jsonl").open(encoding="utf-8") as lines:
        chats = [json.loads(line) for line in lines]
    pairs = preferences.short(data / "preferences" / "dpo.jsonl")
    learnt: dict[str, Sequence[Mapping[str, Any]]] = {
        "peps": [one for n, one in enumerate(peps) if n % EVERY][:DOCUMENTS],
        "general": general[:DOCUMENTS],
        "chats": [one for n, one in enumerate(chats) if n % EVERY][:CHATS],
        "pairs": [
            {name: row[name] for name in preferences.TURNS}
            for row in pairs[HELD_PAIRS : HELD_PAIRS + PAIRS]
        ],
    }
    (folder / "inhouse.yaml").write_text(FILE, encoding="utf-8")
    for name, rows in learnt.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    said = [
        {"messages": [turn | {"calls": [], "answers": ""} for turn in one["messages"]]}
        for one in chats[::EVERY][:HELD]
    ]
    return {
        "peps": ("documents", peps[::EVERY][:HELD]),
        "general": ("documents", strange[:HELD]),
        "chats": ("chats", said),
        "pairs": ("preferences", pairs[:HELD_PAIRS]),
    }


def proposals(data: Path) -> list[dict[str, str]]:
    """Return the proposals in an order of chance; a line that is no JSON is left out."""
    found = []
    with gzip.open(data / "peps" / "peps.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if Path(row["src"]).name.startswith("pep-"):
                found.append(row)
    return [excerpt(row["text"]) for row in sorted(found, key=lambda row: chance(row["src"]))]


def prose(data: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return general text of the repositories that are learnt, and that of the others."""
    files = sorted((data / "corpus").glob("*.parquet"))
    tables = [pq.read_table(file, columns=["src", "plant", "text"]).to_pylist() for file in files]
    rows = [row for table in tables for row in table if not row["plant"]]
    rows = sorted((row for row in rows if len(row["text"]) > CHARACTERS), key=_source)
    learnt = [row for row in rows if row["src"].partition(":")[0] in LEARNT_FROM]
    others = [row for row in rows if row["src"].partition(":")[0] not in NOT_GENERAL]
    return [excerpt(row["text"]) for row in learnt], [excerpt(row["text"]) for row in others]


def _source(row: Mapping[str, Any]) -> str:
    return chance(row["src"])


def chance(name: str) -> str:
    """Return what an order hangs on that is of chance, and always the same."""
    return hashlib.sha256(name.encode()).hexdigest()


def excerpt(text: str) -> dict[str, str]:
    """Return the middle of a text: beginnings are much alike."""
    first = max(0, (len(text) - CHARACTERS) // 2)
    return {"text": text[first : first + CHARACTERS]}


def continued(work: Work) -> Iterator[Row]:
    """Measure proposals and general text before and after learning from both."""
    yield falls("continue: held-out proposals, perplexity", work, "continue", "peps")
    yield stays("continue: general text, perplexity", work, "continue")


def instructed(work: Work) -> Iterator[Row]:
    """Measure what assistants say, and general text, before and after learning from dialogues."""
    yield falls("instruct: the assistant's turns, perplexity", work, "instruct", "chats")
    yield stays("instruct: general text, perplexity", work, "instruct")


def preferred(work: Work) -> Iterator[Row]:
    """Measure which answer is likelier, before and after learning what people prefer."""
    before, after = (scored(work, name, "pairs") for name in ("base", "prefer"))
    told = preferences.apart(after - before)
    even = np.full_like(told, 0.5)
    yield shares("prefer: held-out pairs told apart by reward", told, even, 0.5)
    first, last = preferences.apart(before), preferences.apart(after)
    yield shares("prefer: chosen answer is likelier", last, first, None)
    yield shares("prefer: likelier after, less before", last - first, None, 0.0)


MEASURES: Mapping[str, Callable[[Work], Iterator[Row]]] = {
    "continue": continued,
    "instruct": instructed,
    "prefer": preferred,
}


def falls(name: str, work: Work, model: str, held: str) -> Row:
    """Return the row of a perplexity that is to fall, with its whole interval."""
    row = perplexities(name, work, model, held)
    assert row.ratio
    return replace(row, target="falls surely", ok=row.ratio.low > 1)


def stays(name: str, work: Work, model: str) -> Row:
    """Return the row of the perplexity of general text, which is to rise by less than 5 %."""
    row = perplexities(name, work, model, "general")
    assert row.ratio
    return replace(row, target="rises < 5 %", ok=row.ratio.low > 1 / MOST_RISE)


def perplexities(name: str, work: Work, model: str, held: str) -> Row:
    """Return the row of a perplexity beside that of the base; the ratio is how many times less."""
    before, after = scored(work, "base", held), scored(work, model, held)
    texts = range(len(after))

    def fewer(drawn: Sequence[int]) -> float:
        own = list(drawn)
        return perplexity(before[own]) / perplexity(after[own])

    mine, theirs = (
        figure(resampled(lambda drawn, of=lost: perplexity(of[list(drawn)]), texts))
        for lost in (after, before)
    )
    return Row(name, "", mine, BASE, theirs, figure(resampled(fewer, texts)), None, None)


def perplexity(lost: Lost) -> float:
    """Return the perplexity of a token over texts."""
    nats, tokens = lost.sum(0)
    return math.exp(nats / tokens)


def shares(name: str, mine: Told, theirs: Told | None, least: float | None) -> Row:
    """Return the row of a share of pairs; it is to be above `least` with its whole interval."""
    found = preferences.figure(mine)
    row = Row(name, "", found, None, None, None, None, None)
    if theirs is not None:
        pairs = range(len(mine))
        times = resampled(lambda at: float(mine[list(at)].sum() / theirs[list(at)].sum()), pairs)
        beside = preferences.figure(theirs)
        row = replace(row, peer_name=BASE, peer=beside, ratio=figure(times))
    if least is None:
        return row
    return replace(row, target=f"surely > {least:g}", ok=found.low > least)


def figure(found: Interval) -> Figure:
    """Return an interval as a figure."""
    return Figure(found.mean, found.low, found.high)


def kept(part: str) -> Iterator[Row]:
    """Yield the rows of a part as they were measured last."""
    file = RESULTS / "outcomes.json"
    for row in json.loads(file.read_text(encoding="utf-8"))["rows"] if file.is_file() else ():
        if row["name"].startswith(f"{part}: "):
            found = {key: row[key] and Figure(**row[key]) for key in ("ours", "peer", "ratio")}
            yield Row(**(row | found))


def scored(work: Work, model: str, held: str) -> Lost:
    """Return what a model says of the texts of a set; it is trained and asked once."""
    work.project.run(f"models/{model}")
    base, own = (work.project.artifact(Ref("models", name)) for name in ("base", model))
    kind, rows = work.held[held]
    told = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]
    file = work.folder / f"{own.ref.pinned.replace('/', '-')}-{held}-{told}.npy"
    if not file.is_file():
        print(f"{model}: {dict(own.summary)}", file=sys.stderr)
        load = work.project.catalog.load
        first = opened(load(base.ref).folder, "models/base", dict(base.summary))
        adapter = None if model == "base" else load(own.ref).folder
        with tempfile.TemporaryDirectory(dir=work.folder) as name:
            found = said(Path(name), first, adapter, kind, rows)
        np.save(file, found)
        print(f"{model} has read {held}.", file=sys.stderr)
    return np.asarray(np.load(file), np.float64)


def said(folder: Path, base: Input, adapter: Path | None, kind: Kind, rows: Rows) -> Lost:
    """Ask a model how likely texts are."""
    if kind == "preferences":
        return preferences.likely(base.folder, adapter, preferences.tokens(folder, base, rows))
    given, made = folder / "rows", folder / "tokens"
    for each in (given, made):
        each.mkdir(parents=True)
    write_rows(given, kind, ({"id": str(n), **row} for n, row in enumerate(rows)))
    inputs = {"data": opened(given, "data/held"), "model": base}
    tokenise.run(tokenise.Tokenise(), inputs, Context(made, Actor("bench")))
    return lost(base.folder, adapter, Tokens(made))


def lost(base: Path, adapter: Path | None, tokens: Tokens) -> Lost:
    """Return of each document how unlikely its tokens are, and how many of them count."""
    import torch
    from peft import PeftModel

    from inhouse.train.language_model import load_model

    model = load_model(base)
    model = (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()
    found = []
    with torch.inference_mode():
        for place in range(len(tokens.ends)):
            ids, learnt = tokens.document(place)
            if learnt is None:
                ids, learnt = ids[:TOKENS], np.ones(min(len(ids), TOKENS), np.bool_)
            told = torch.from_numpy(ids.astype(np.int64))
            counts = torch.from_numpy(learnt[1:].copy())
            scores = model(input_ids=told[None]).logits[0, :-1][counts].log_softmax(-1)
            nats = -scores.gather(1, told[1:][counts][:, None]).sum()
            found.append((float(nats), int(counts.sum())))
    return np.array([one for one in found if one[1]], np.float64)
