"""The stage that has a teacher label texts, and keeps how sure it is of each label.

A teacher is a small classifier that learns from examples, or a language model that is shown some;
the language model is asked in `likely`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from inhouse.catalog.rows import RowReader, kind_of, read_rows, write_rows
from inhouse.core.errors import BadInput
from inhouse.core.protocols import Classifier
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.data.journal import Journal
from inhouse.data.step import Batch

if TYPE_CHECKING:
    import pyarrow as pa

JOURNAL = "scores.jsonl"
DIGITS = 5
BATCH = 64
ASKED = 32
"""So many examples at most tell how often a language model is right."""

Examples = Sequence[tuple[str, str]]
Opened = Callable[[Inputs, Examples], AbstractContextManager[Classifier]]
"""Opens the language model among the inputs as a classifier that is shown examples."""


@dataclass(frozen=True, slots=True)
class Teach:
    """Nothing to choose: the inputs say it all."""


def stage(opened: Opened) -> Stage:
    """Return the stage; it labels the texts of its input ``texts`` as those of ``like`` are.

    The input ``model`` is a language model; without one, a small classifier learns from ``like``,
    through the vectors of the input ``embedder`` if there is one. It raises `BadInput` if ``like``
    holds no examples of two labels.
    """

    def run(spec: Teach, inputs: Inputs, ctx: Context) -> Result:
        like = _examples(inputs)
        if "model" in inputs:
            shown, asked = _kept_back(like)
            with opened(inputs, shown) as teacher:
                told = {"accuracy": _right(teacher, asked)} if asked else {}
                return _labelled(teacher, inputs, ctx, told)
        learnt, right = _learnt(inputs, like)
        return _labelled(learnt, inputs, ctx, {"accuracy": right})

    return Stage("data.teach", 3, run)


def _labelled(
    teacher: Classifier,
    inputs: Inputs,
    ctx: Context,
    told: Mapping[str, Any] = MappingProxyType({}),
) -> Result:
    """Write the texts with their labels and scores."""
    journal = Journal(ctx.work / JOURNAL)
    counts = {"rows": 0, "same": 0, "characters": 0}

    def taught() -> Iterator[dict[str, Any]]:
        with RowReader(inputs["texts"].folder) as reader:
            for number, rows in enumerate(_slices(reader)):
                batch = Batch(reader.kind, rows, number)
                texts = batch.texts.to_pylist()
                scores = _scores(journal, number, teacher, texts)
                for row, text, own in zip(rows.to_pylist(), texts, scores, strict=True):
                    found = _taught(row, text, teacher.classes, own)
                    counts["rows"] += 1
                    counts["same"] += found["label"] == row.get("label")
                    counts["characters"] += len(text)
                    yield found
                ctx.progress(counts["rows"], reader.rows, "texts")

    write_rows(ctx.work, "examples", taught())
    labelled = kind_of(inputs["texts"].folder) == "examples" and counts["rows"]
    agreed = {"agrees": round(counts["same"] / counts["rows"], 4)} if labelled else {}
    summary = {"examples": counts["rows"], "skipped": 0, "characters": counts["characters"]}
    return Result({**summary, **told, **agreed}, (JOURNAL,))


def _examples(inputs: Inputs) -> Examples:
    like = inputs["like"]
    if kind_of(like.folder) != "examples":
        raise BadInput(
            f"{like.artifact.ref} holds no examples.", "Name a data set of texts with labels."
        )
    found = [(row["text"], row["label"]) for row in read_rows(like.folder, ("text", "label"))]
    if len({label for _, label in found}) < 2:
        raise BadInput(
            f"The examples of {like.artifact.ref} have one label.", "Name some with several."
        )
    return found


def _kept_back(like: Examples) -> tuple[Examples, Examples]:
    """Return examples to show, some of each label, and a few others to ask a teacher about."""
    mixed = sorted(like, key=lambda pair: sha256(pair[0].encode()).digest())
    first = {label: text for text, label in reversed(mixed)}
    spared = set(first.values())
    others = [(text, label) for text, label in mixed if text not in spared]
    asked = others[: min(ASKED, len(others) // 2)]
    texts = {text for text, _ in asked}
    return [pair for pair in mixed if pair[0] not in texts], asked


def _right(teacher: Classifier, asked: Examples) -> float:
    """Return how often a teacher gives examples the label that they have."""
    scores = teacher.classify([text for text, _ in asked])
    best = [teacher.classes[place] for place in scores.argmax(1)]
    same = [found == label for found, (_, label) in zip(best, asked, strict=True)]
    return float(round(sum(same) / len(asked), 4))


def _learnt(inputs: Inputs, like: Examples) -> tuple[Classifier, float]:
    """Return a classifier that learnt from examples, and how often it is right about others."""
    from inhouse.data.vectors import vectoriser
    from inhouse.models.classifier import cross_validated, train

    vectorise = vectoriser(inputs.get("embedder"))
    texts, labels = zip(*like, strict=True)
    vectors = vectorise(texts)
    right = round(cross_validated(vectors, labels, texts), 4)
    return train(vectors, labels, vectorise), right


def _taught(
    row: dict[str, Any], text: str, classes: Sequence[str], scores: Sequence[float]
) -> dict[str, Any]:
    ranked = sorted(zip(scores, classes, strict=True), key=lambda pair: (-pair[0], pair[1]))
    return {
        "id": row["id"],
        "text": text,
        "label": ranked[0][1],
        "scores": [{"label": name, "probability": score} for score, name in ranked],
        "source": row.get("source") or row["id"],
        "part": row["part"],
    }


def _slices(reader: RowReader) -> Iterator[pa.Table]:
    """Yield rows, few at a time: a language model takes long, and what it said is kept."""
    for table in reader.all():
        for start in range(0, table.num_rows, BATCH):
            yield table.slice(start, BATCH).combine_chunks()


def _scores(
    journal: Journal, number: int, teacher: Classifier, texts: Sequence[str]
) -> list[list[float]]:
    """Return the scores of a batch, as they are kept: a run that was cut off asks for none anew."""
    if number < len(journal.lines):
        known: list[list[float]] = journal.lines[number]
        return known
    kept = [[round(score, DIGITS) for score in row] for row in teacher.classify(texts).tolist()]
    journal.add(kept)
    return kept
