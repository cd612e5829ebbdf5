"""Questions with and without an answer, what a search says of them, and weights fitted to it.

Three ways make a question unanswerable: people found no answer to it, the sections that answer it
are taken out, or it is asked of another set's documents.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.harness.sections import TestSet, read_set
from inhouse.catalog.rows import write_documents
from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Input, Ref
from inhouse.core.label import Label
from inhouse.core.nouns import Hit
from inhouse.core.protocols import Embedder
from inhouse.core.stage import Context
from inhouse.evaluate.conversations import Answerability, Asked, read_asked
from inhouse.evaluate.rows import FILE
from inhouse.knowledge.index import Index, build
from inhouse.knowledge.search import GuardedSearch, KnowledgeBase
from inhouse.knowledge.support import Signs

ACTOR = Actor("bench")
TOP = 5
FOLDS = 5
RIDGE, STEPS = 1.0, 30
FALSE = 0.1

Floats = npt.NDArray[np.float64]
Opened = Callable[[str], Input]


@dataclass(frozen=True, slots=True)
class Case:
    """What a search said of one question.

    `way` says how it came to have no answer; `group` is what must not be cut by a split;
    `score` is that of the best section.
    """

    set: str
    way: str
    group: str
    answerability: Answerability
    signs: tuple[float, ...]
    score: float


class Watched(KnowledgeBase):
    """A knowledge base that keeps the signs of its last search."""

    signs: Signs | None = None

    def look(
        self, query: str, *, readable: Collection[str], top: int
    ) -> tuple[list[Hit], Signs | None]:
        found = super().look(query, readable=readable, top=top)
        self.signs = found[1]
        return found


class Asking:
    """A knowledge base that is asked; the sources in `hidden` may not be read."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._base = Watched(folder, embedder)
        self._search = GuardedSearch(self._base, self._decide)
        self.hidden: Collection[str] = ()

    def _decide(self, actor: Actor, path: str) -> Decision:
        allowed = path not in self.hidden
        return Decision(allowed, actor.name, "read", Ref.parse(path), Label.OPEN, Label.OPEN)

    def case(self, asked: Asked, name: str, way: str, group: str) -> Case:
        """Ask a question and return what was said of it."""
        found = self._search.search(asked.query, ACTOR, top=TOP, before=asked.before)
        assert self._base.signs is not None
        signs = astuple(self._base.signs)
        return Case(name, way, group, asked.answerability, signs, found.hits[0].score)


def conversations(
    folder: Path, asked: TestSet, work: Path, embedder: Embedder, opened: Opened
) -> Iterator[Case]:
    """Yield the cases of a set of conversations; each of its sections is a source of its own.

    Answerable ones are asked a second time, with what answers them hidden.
    """
    sources: dict[str, str] = {}
    inputs = []
    for document in asked.documents:
        (name,) = asked.ids[document.path]
        ref = f"data/s{len(sources):05}"
        sources[name] = ref
        (work / ref).mkdir(parents=True)
        write_documents(work / ref, [document])
        inputs.append(Input(opened(ref).artifact, work / ref))
    build(Index(), inputs, Context(work, ACTOR), embedder, identity="minilm")
    base = Asking(work, embedder)
    (work / FILE).write_bytes((folder / "answerability.jsonl").read_bytes())
    rows = [json.loads(line) for line in (work / FILE).read_text("utf-8").splitlines()]
    for row, each in zip(rows, read_asked(work), strict=True):
        group = row["task_id"].split("<::>")[0]
        base.hidden = ()
        yield base.case(each, folder.name, "asked by people", group)
        if each.answerability == "ANSWERABLE":
            base.hidden = {sources[name] for name in row["relevant"]}
            yield base.case(_without(each), folder.name, "section removed", group)


def handbook(
    folder: Path, others: Sequence[str], work: Path, embedder: Embedder, opened: Opened
) -> Iterator[Case]:
    """Yield the cases of a handbook, of which each question has one section.

    Two indexes each lack the sections of half of the questions: every question is asked of one
    that has its section and of one that has not. `others` are questions about something else.
    """
    questions = read_set(folder).questions
    removed = [q.relevant for q in questions]
    halves = [frozenset().union(*removed[n::2]) for n in (0, 1)]
    previous: Input | None = None
    for number, half in enumerate(halves):
        part = work / str(number)
        (part / "documents").mkdir(parents=True)
        write_documents(part / "documents", read_set(folder, without=half).documents)
        source = Input(opened("data/set").artifact, part / "documents")
        context = Context(part, ACTOR, previous=previous)
        build(Index(), [source], context, embedder, identity="minilm")
        previous = Input(opened("knowledge/set").artifact, part)
        base = Asking(part, embedder)
        for place, question in enumerate(questions):
            each = Asked(question.text, (), "ANSWERABLE", "")
            group = f"{folder.name} {place}"
            if question.relevant <= half:
                yield base.case(_without(each), folder.name, "section removed", group)
            elif not question.relevant & half:
                yield base.case(each, folder.name, "asked by people", group)
        for place, text in enumerate(others if number == 0 else ()):
            foreign = Asked(text, (), "UNANSWERABLE", "")
            yield base.case(foreign, folder.name, "foreign", f"foreign {place}")


def _without(asked: Asked) -> Asked:
    return Asked(asked.query, asked.before, "UNANSWERABLE", asked.kind)


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression whose 0 refuses a tenth of what it was fitted on."""

    bias: float
    weights: Floats

    def weigh(self, cases: Sequence[Case]) -> Floats:
        """Return what each case weighs."""
        weighed: Floats = self.bias + _signs(cases) @ self.weights
        return weighed


def fit(cases: Sequence[Case]) -> Weights:
    """Fit weights to the answerable and unanswerable among some cases.

    Every set counts the same, however large, and so do the ways within a set, and answerable and
    unanswerable. Newton's method, with a ridge on the weights of standardised signs.
    """
    cases = [c for c in cases if c.answerability in ("ANSWERABLE", "UNANSWERABLE")]
    worth = _worth(cases)
    signs, yes = _signs(cases), np.array([c.answerability == "ANSWERABLE" for c in cases], float)
    mean = worth @ signs / worth.sum()
    scale = np.sqrt(worth @ (signs - mean) ** 2 / worth.sum())
    inputs = np.column_stack([np.ones(len(signs)), (signs - mean) / scale])
    ridge = RIDGE * np.diag([0.0, *np.ones(signs.shape[1])])
    found = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        sure = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (worth * (sure - yes)) + ridge @ found
        bend = (inputs * (worth * sure * (1 - sure))[:, None]).T @ inputs + ridge
        found -= np.linalg.solve(bend, slope)
    weights = found[1:] / scale
    answerable = yes == 1
    least = _quantile(signs[answerable] @ weights, worth[answerable], FALSE)
    return Weights(-least, weights)


def out_of_fold(cases: Sequence[Case], seed: int) -> Floats:
    """Return what each case weighs by weights that were fitted without its group."""
    groups = sorted({case.group for case in cases})
    np.random.default_rng(seed).shuffle(groups)
    fold = {group: number % FOLDS for number, group in enumerate(groups)}
    weighed = np.zeros(len(cases))
    for number in range(FOLDS):
        held = [n for n, case in enumerate(cases) if fold[case.group] == number]
        weights = fit([case for case in cases if fold[case.group] != number])
        weighed[held] = weights.weigh([cases[n] for n in held])
    return weighed


def _signs(cases: Sequence[Case]) -> Floats:
    return np.array([case.signs for case in cases])


def _worth(cases: Sequence[Case]) -> Floats:
    """Return how much each case counts; all together count what they are."""

    def cell(case: Case) -> tuple[Any, ...]:
        return (case.answerability, case.set, case.way)

    ways: dict[tuple[str, str], set[str]] = {}
    sizes: dict[tuple[Any, ...], int] = {}
    for case in cases:
        ways.setdefault((case.answerability, case.set), set()).add(case.way)
        sizes[cell(case)] = sizes.get(cell(case), 0) + 1
    sets = {side: sum(s == side for s, _ in ways) for side in ("ANSWERABLE", "UNANSWERABLE")}
    shares = [
        1 / (2 * sets[c.answerability] * len(ways[c.answerability, c.set]) * sizes[cell(c)])
        for c in cases
    ]
    return len(cases) * np.array(shares)


def _quantile(values: Floats, worth: Floats, share: float) -> float:
    """Return the value below which lies a share of the worth."""
    order = np.argsort(values)
    passed = np.cumsum(worth[order]) - worth[order]
    return float(values[order][np.searchsorted(passed, share * worth.sum(), side="right") - 1])
