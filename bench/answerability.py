"""The support check: does a search know when the documents hold no answer?

What is equal and what is not:

- The peer is what AnythingLLM and RAGFlow ship: a threshold on the score of the best section. It
  judges our ranking, with our question made to stand alone, so only the judgement differs.
- People found no answer among the passages of mtrag-clapnq to 22 of its questions. Its passages
  are few, and hold next to nothing on what most of these are about: they are the easy kind.
- Handbooks are asked with the one section taken out that answers. Its neighbours stay: the hard
  kind. Their questions are asked of each other's documents as well.
- Ours is fitted on all sets together, five folds, no conversation or question in two of them; three
  splits are averaged. At each price the peer chooses its threshold on the very questions that are
  counted, and so do we.
- The range of a figure is the 95 % bootstrap interval over the questions.

The weights that all cases together give are printed at the end, to be pasted into
`inhouse.knowledge.support`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bench.harness.embedder import built_embedder
from bench.harness.measure import Figure, Row
from bench.harness.peer import PEERS
from bench.harness.sections import read_set
from bench.harness.support import FALSE, Case, Floats, conversations, fit, handbook, out_of_fold
from bench.knowledge import Remembering, artifact
from inhouse.core.artifact import Input
from inhouse.evaluate.bootstrap import Interval, Measure, interval, resampled
from inhouse.evaluate.refusal import auroc, refused, threshold_for

PEER = "threshold on the best score"
MTRAG = "mtrag-clapnq"
HANDBOOKS = ("handbook-18f", "handbook-sourcegraph")
SEEDS = (0, 1, 2)
PRICES = (0.05, 0.1, 0.2)
GOAL = 0.6


def run() -> Iterator[Row]:
    """Measure all sets; nothing if they are not there."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not all((data / name).is_dir() for name in (MTRAG, *HANDBOOKS)):
        print("INHOUSE_DATA names no folder with the test sets: nothing measured.", file=sys.stderr)
        return
    PEERS.mkdir(exist_ok=True)
    cases = list(collect(data))
    weighed = np.mean([out_of_fold(cases, seed) for seed in SEEDS], axis=0)
    scores = np.array([case.score for case in cases])
    for name, way in dict.fromkeys((case.set, case.way) for case in cases):
        yield from rows(name, way, cases, weighed, scores)
    yield from between(cases, weighed)
    alone = fit([case for case in cases if case.set != MTRAG])
    yield from unseen(cases, alone.weigh(cases))
    final = fit(cases)
    nearest, words, ahead = final.weights
    print(
        f"BIAS = {final.bias:.2f}\nNEAREST, WORDS, AHEAD = {nearest:.2f}, {words:.2f}, {ahead:.2f}",
        file=sys.stderr,
    )


def collect(data: Path) -> Iterator[Case]:
    """Yield what a search says of every question of all sets."""
    embedder = Remembering(built_embedder())

    def opened(ref: str) -> Input:
        return Input(artifact(ref), data)

    with tempfile.TemporaryDirectory(dir=PEERS, prefix="answerability-") as folder:
        work = Path(folder)
        asked = read_set(data / MTRAG)
        (work / MTRAG).mkdir()
        yield from conversations(data / MTRAG, asked, work / MTRAG, embedder, opened)
        others = [question.text for question in asked.questions]
        for name in HANDBOOKS:
            yield from handbook(data / name, others, work / name, embedder, opened)


def rows(
    name: str, way: str, cases: Sequence[Case], weighed: Floats, scores: Floats
) -> Iterator[Row]:
    """Yield the rows of a set and one way of being unanswerable."""
    of_set = np.array([case.set == name for case in cases])
    has = of_set & _are(cases, "ANSWERABLE")
    lacks = of_set & _are(cases, "UNANSWERABLE") & np.array([case.way == way for case in cases])
    title = f"{name}, {'no answer' if way == 'asked by people' else way}"
    if not lacks.any():
        return
    ours, theirs = (weighed[has], weighed[lacks]), (scores[has], scores[lacks])
    yield _row(f"{title}: AUROC", auroc, ours, theirs)
    for price in PRICES:
        goal = GOAL if price == FALSE and way != "foreign" else None
        measure = partial(_caught, price)
        yield _row(f"{title}: refused at {price:.0%} false", measure, ours, theirs, goal)
    yield _share(f"{title}: refused at support 0.5", weighed[lacks])
    if way != "foreign" and not (name == MTRAG and way == "section removed"):
        yield _share(f"{name}: answerable refused at support 0.5", weighed[has])


def between(cases: Sequence[Case], weighed: Floats) -> Iterator[Row]:
    """Yield what is refused of the questions that are neither."""
    for kind in ("PARTIAL", "UNDERSPECIFIED"):
        yield _share(f"{MTRAG}, {kind.lower()}: refused at support 0.5", weighed[_are(cases, kind)])


def unseen(cases: Sequence[Case], weighed: Floats) -> Iterator[Row]:
    """Yield the figures of the conversations by weights that never saw any of them."""
    people = np.array([case.set == MTRAG and case.way == "asked by people" for case in cases])
    has, lacks = people & _are(cases, "ANSWERABLE"), people & _are(cases, "UNANSWERABLE")
    title = f"{MTRAG}, fitted on handbooks alone"
    some = (weighed[has], weighed[lacks])
    yield _row(f"{title}: refused at 10% false", partial(_caught, FALSE), some, None)
    yield _share(f"{title}: refused at support 0.5", weighed[lacks])
    yield _share(f"{title}: answerable refused at support 0.5", weighed[has])


def _are(cases: Sequence[Case], kind: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([case.answerability == kind for case in cases])


def _caught(price: float, some: Sequence[float], others: Sequence[float]) -> float:
    return refused(others, threshold_for(some, price))


def _row(
    name: str,
    measure: Measure,
    ours: tuple[Floats, Floats],
    theirs: tuple[Floats, Floats] | None,
    goal: float | None = None,
) -> Row:
    mine = _figure(resampled(measure, *(side.tolist() for side in ours)))
    other = _figure(resampled(measure, *(side.tolist() for side in theirs))) if theirs else None
    return Row(
        name=name,
        unit="",
        ours=mine,
        peer_name=PEER if theirs else None,
        peer=other,
        ratio=Figure.of([mine.value / other.value]) if other else None,
        target=f"≥ {goal:g}" if goal else None,
        ok=mine.value >= goal if goal else None,
    )


def _share(name: str, weighed: Floats) -> Row:
    found = _figure(interval([float(each < 0) for each in weighed]))
    return Row(
        name=name, unit="", ours=found, peer_name=None, peer=None, ratio=None, target=None, ok=None
    )


def _figure(found: Interval) -> Figure:
    return Figure(found.mean, found.low, found.high)
