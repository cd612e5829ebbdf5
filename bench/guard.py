"""Personal data and toxicity: how much of it is found, how much is wrong, and how fast.

What is equal and what is not:

- The texts are 1,500 short made-up ones of 209 templates (presidio-research), of 85 characters on
  average. Both find in the same texts, in turn, and are timed in seconds of the processor, of
  which each uses one. Presidio runs without a language model (engine ``no_op``), as an installation
  without access to a model hub has it; our rows of characters say what our tagger adds to that.
- Of types with a form (card, e-mail, IBAN, IP, phone, SSN, URL) a finding is right if it overlaps
  one that is marked with the same type. Types that are not marked in this set, such as Presidio's
  driver licences, count for neither. A URL that Presidio sees in an e-mail address does.
- Of characters all that is marked counts: dates, titles and nationalities too, which we look for
  only if a tagger has been trained to. The templates on which this is measured are three tenths
  of all. Our built-in tagger has seen none of these texts; the other one was trained on the other
  templates, whose names come from the same lists: expect less on texts from elsewhere.
- The pages are of a handbook that was not trained on (sourcegraph). Most of what is marked in
  them is a name indeed; nobody has marked them, so there is no precision.
- Toxicity is learned from four fifths of one set and measured on the rest, on another set that no
  judge ever saw, and on 54 cases of nine kinds that were written for this bench. Three judges learn
  from the same tweets: the linear one of words, logistic regression on the vectors of MiniLM as it
  is, and MiniLM trained by our own ``classify``, with one pass over the tweets. Nothing was chosen
  by the cases or the other set. There is no peer here, and no HateCheck: .75 was the goal for that.
"""

from __future__ import annotations

import csv
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.harness import toxic
from bench.harness.measure import Figure, Goal, Measure, Row, Samples, interleave
from bench.harness.peer import PRESIDIO, worker
from bench.harness.personal import Texts, of_characters, of_form, our_type, read_texts
from inhouse.guard.finding import Finding
from inhouse.guard.guard import Guard, built_in
from inhouse.guard.patterns import FORMS, Patterns
from inhouse.guard.stream import Stream
from inhouse.guard.training import Training, train
from inhouse.guard.writing import Marked

ROUNDS = 5
KINDS = ("hate", "offensive", "neither")
ALONE = 300
CASES = Path(__file__).with_name("toxicity_cases.txt")
PAGES = 60
CHUNK = 4
RECALL, PRECISION, CHARACTERS = 0.98, 0.95, 0.88
Found = Sequence[Sequence[Finding]]


def run() -> Iterator[Row]:
    """Measure finding, streams and toxicity; nothing if the data are not there."""
    data = Path(os.environ.get("INHOUSE_DATA", ""))
    if not (data / "pii").is_dir():
        print("INHOUSE_DATA names no folder with the set pii: nothing measured.", file=sys.stderr)
        return
    texts = read_texts(data / "pii" / "synth_dataset_v2.json")
    patterns, guard = Patterns(), built_in()
    speed, found = timed(texts, {"forms": patterns.find_many, "all": guard.find_many})
    yield from forms(texts, patterns, found)
    yield from characters(texts, guard, found)
    yield Row.of(
        Measure("texts a CPU second, with a form", "texts/s", Goal("ours", 10_000), more=True),
        speed["forms"],
        PRESIDIO.title,
    )
    yield Row.of(
        Measure("texts a CPU second, with names", "texts/s", Goal("ours", 2_500), more=True),
        speed["all"],
        PRESIDIO.title,
    )
    yield streamed(texts)
    yield in_pages(data / "handbook-sourcegraph" / "files", guard)
    yield from toxicity(data / "toxicity")


def timed(
    texts: Texts, finders: dict[str, Callable[[Sequence[str]], object]]
) -> tuple[dict[str, Samples], Found | None]:
    """Time each finder beside the peer, in texts a CPU second; return what the peer found too."""
    plain = [text.text for text in texts.all]
    with tempfile.TemporaryDirectory() as folder:
        given, written = Path(folder, "texts.json"), Path(folder, "found.json")
        given.write_text(json.dumps(plain), "utf-8")
        with worker(PRESIDIO, "presidio_find", str(given), str(written)) as peer:
            turned = (lambda: 1 / peer()) if peer else None
            speed = {
                name: interleave(rate(find, plain), turned, rounds=ROUNDS)
                for name, find in finders.items()
            }
        if peer is None:
            return speed, None
        spans = json.loads(written.read_text("utf-8"))
    found = [[Finding(start, end, our_type(name), 1.0) for start, end, name in s] for s in spans]
    return speed, found


def rate(find: Callable[[Sequence[str]], object], texts: Sequence[str]) -> Callable[[], float]:
    """Return a round that finds in all texts and gives how many it does in a CPU second."""

    def measured() -> float:
        started = time.process_time()
        find(texts)
        return len(texts) / (time.process_time() - started)

    return measured


def forms(texts: Texts, patterns: Patterns, peer: Found | None) -> Iterator[Row]:
    """Return recall and precision of the types with a form, on all texts and on those held out."""
    known = len(texts.known)
    for name, some, theirs in (
        ("all texts", texts.all, peer),
        ("held-out templates", texts.held_out, peer[known:] if peer else None),
    ):
        ours = of_form(some, patterns.find_many([text.text for text in some]))
        others = of_form(some, theirs) if theirs else None
        for place, (what, least) in enumerate((("recall", RECALL), ("precision", PRECISION))):
            beside = others[place] if others else None
            yield row(f"types with a form, {name}: {what}", ours[place], beside, least)


def characters(texts: Texts, guard: Guard, peer: Found | None) -> Iterator[Row]:
    """Return recall and precision of characters on templates held out, for both taggers."""
    plain = [text.text for text in texts.held_out]
    others = of_characters(texts.held_out, peer[len(texts.known) :]) if peer else None
    own = train([without_forms(text) for text in texts.known], Training(passes=6, caution=0.6))
    for name, finder in (
        ("built-in tagger", guard),
        ("tagger trained on the other templates", Guard((Patterns(), own))),
    ):
        ours = of_characters(texts.held_out, finder.find_many(plain))
        for place, (what, least) in enumerate((("recall", CHARACTERS), ("precision", None))):
            beside = others[place] if others else None
            yield row(f"characters, {name}: {what}", ours[place], beside, least)


def without_forms(text: Marked) -> Marked:
    """Return a text in which only what a tagger is to find is marked."""
    return Marked(text.text, tuple(span for span in text.spans if span[2] not in FORMS))


def streamed(texts: Texts) -> Row:
    """Return how long a chunk of a stream takes, at the median and quartiles of all texts."""
    took = []
    for text in texts.all:
        stream, started = Stream(), time.perf_counter()
        for start in range(0, len(text.text), CHUNK):
            stream.feed(text.text[start : start + CHUNK])
        stream.end()
        took.append((time.perf_counter() - started) * 1e3 / (len(text.text) // CHUNK + 1))
    measure = Measure(f"a stream, per chunk of {CHUNK} characters", "ms", Goal("ours", 1.0))
    return Row.of(measure, Samples(took, None))


def in_pages(folder: Path, guard: Guard) -> Row:
    """Return which share of the characters of ordinary pages is taken for a name or the like."""
    files = sorted(folder.rglob("*.md"))
    random.Random(3).shuffle(files)
    pages = [file.read_text("utf-8")[:3_000] for file in files[:PAGES]]
    found = [
        [finding for finding in findings if finding.type not in FORMS]
        for findings in guard.find_many(pages)
    ]
    marked = sum(f.end - f.start for findings in found for f in findings)
    name = f"characters of {PAGES} ordinary pages marked as names"
    return row(name, marked / sum(map(len, pages)), None, None)


def toxicity(folder: Path) -> Iterator[Row]:
    """Return how well each judge does at home, by kind, and elsewhere."""
    with (folder / "davidson.csv").open(encoding="utf-8", newline="") as lines:
        tweets = [(line["tweet"], KINDS[int(line["class"])]) for line in csv.DictReader(lines)]
    with (folder / "surge.csv").open(encoding="utf-8", newline="") as lines:
        posts = [(line["text"], line["is_toxic"] == "Toxic") for line in csv.DictReader(lines)]
    random.Random(0).shuffle(tweets)
    cut = len(tweets) * 4 // 5
    for name, learn in (
        ("linear", toxic.linear),
        ("MiniLM as it is", toxic.frozen),
        ("MiniLM trained", toxic.tuned),
    ):
        yield from judged(f"toxicity, {name}", learn(tweets[:cut]), tweets[cut:], posts)


def judged(
    name: str, judge: toxic.Judge, tweets: toxic.Pairs, posts: Sequence[tuple[str, bool]]
) -> Iterator[Row]:
    """Return how well a judge does on tweets, on posts from elsewhere, and on our cases."""
    scores, kinds = judge([text for text, _ in tweets]), np.array([kind for _, kind in tweets])
    f1 = macro_f1(scores >= 0.5, kinds != "neither")
    yield row(f"{name}, davidson: macro-F1", f1, None, 0.90)
    for kind in KINDS:
        share = float((scores[kinds == kind] >= 0.5).mean())
        yield row(f"{name}, davidson: flagged of {kind}", share, None, None)
    elsewhere = auc(judge([text for text, _ in posts]), np.array([known for _, known in posts]))
    yield row(f"{name}, surge, never seen: AUC", elsewhere, None, 0.85)
    yield from by_function(name, judge)
    took = []
    for text, _ in tweets[:ALONE]:
        started = time.process_time()
        judge([text])
        took.append((time.process_time() - started) * 1e3)
    measure = Measure(f"{name}, a tweet alone, on one core", "ms", Goal("ours", 3.0))
    yield Row.of(measure, Samples(took, None))


def by_function(name: str, judge: toxic.Judge) -> Iterator[Row]:
    """Return how many cases of each kind are judged rightly, and how well all are told apart."""
    texts, true, kinds = [], [], []
    for line in CASES.read_text("utf-8").splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif line and not line.startswith("#"):
            sign, _, text = line.partition("|")
            texts.append(text)
            true.append(sign == "x")
            kinds.append(kind)
    scores, known, named = judge(texts), np.array(true), np.array(kinds)
    for kind in dict.fromkeys(kinds):
        right = ((scores >= 0.5) == known)[named == kind]
        yield row(f"{name}, own cases: right of {kind}", float(right.mean()), None, None)
    yield row(f"{name}, own cases, not HateCheck: AUC", auc(scores, known), None, 0.75)


def macro_f1(said: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> float:
    """Return the mean of the F1 of both classes."""
    both = [(said, true), (~said, ~true)]
    return float(np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in both]))


def auc(scores: npt.NDArray[np.float32], true: npt.NDArray[np.bool_]) -> float:
    """Return how often a toxic text has a higher score than another."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(1, len(scores) + 1)
    many = true.sum()
    return float((ranks[true].sum() - many * (many + 1) / 2) / (many * (~true).sum()))


def row(name: str, ours: float, peer: float | None, least: float | None) -> Row:
    """Return the row of a share, with what it should be at least."""
    return Row(
        name=name,
        unit="",
        ours=Figure.of([ours]),
        peer_name=None if peer is None else PRESIDIO.title,
        peer=None if peer is None else Figure.of([peer]),
        ratio=Figure.of([ours / peer]) if peer else None,
        target=None if least is None else f"≥ {least:g}",
        ok=None if least is None else ours >= least,
    )
