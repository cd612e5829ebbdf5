"""Steps clean a data set, account for every row, and go on where they were cut off."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rows_world import curated, data_set, documents, dropped, kept, made

from inhouse.catalog import rows as rows_module
from inhouse.catalog.rows import FILE, RowReader, read_rows
from inhouse.core.errors import BadInput
from inhouse.data.account import DROPPED, FLAGGED
from inhouse.data.curate import Curate
from inhouse.data.recipe import STEPS, read_step, restored
from inhouse.data.typed import digest_of

pytest.importorskip("numba", reason="needs the extra [data]")

# What is set aside for each thread counts as allocated.
FRUGAL = {
    "ARROW_DEFAULT_MEMORY_POOL": "system", "ARROW_IO_THREADS": "1", "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip
PROGRAM = Path(__file__).with_name("killed_curate.py")
WORDS = [
    "the",
    "of",
    "and",
    "to",
    "house",
    "rule",
    "page",
    "team",
    "work",
    "plan",
    "month",
    "people",
    "budget",
    "travel",
    "leave",
    "paper",
    "office",
    "reason",
    "question",
    "answer",
    "manager",
    "contract",
    "client",
    "river",
    "garden",
    "winter",
    "report",
    "council",
    "signal",
]


def prose(seed: int, words: int = 120) -> str:
    chance = random.Random(seed)
    sentences = []
    while words > 0:
        length = chance.randint(6, 14)
        sentences.append(" ".join(chance.choice(WORDS) for _ in range(length)).capitalize() + ".")
        words -= length
    return "\n".join(sentences) + "\n"


def digests(folder: Path) -> dict[str, str]:
    names = (FILE, DROPPED, FLAGGED)
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_what_was_masked_is_not_confirmed_by_a_digest(tmp_path: Path):
    texts = ["Write to ana@example.com about it.", "Nothing is hidden here."]
    source = documents(tmp_path / "raw", texts)
    _, folder = curated(tmp_path, source, [{"pii": "mask"}])
    before, after = ([row["digest"] for row in read_rows(one)] for one in (source.folder, folder))
    said = {"title": "", "text": "Write to [EMAIL] about it."}
    assert after == [digest_of(said), before[1]]


def test_reports_that_differ_in_their_figures_are_not_copies(tmp_path: Path):
    lines = "Revenue in {0} was {1} and costs were {2}.\nOf {3} orders {4} came back in {0}.\n"
    texts = [lines.format(*range(n, n + 5)) for n in (10, 20)] + [lines.format(*"abcde")]
    texts.append(texts[0].upper())
    source = documents(tmp_path / "raw", texts)
    _, folder = curated(tmp_path, source, ["dedup"])
    assert sorted(kept(folder)) == ["0.md", "1.md", "2.md"]
    gone = dropped(folder)["3.md"]
    assert (gone["rule"], gone["value"], gone["limit"]) == ("nearly the same", "1.000", "0.7")
    (tmp_path / "folded").mkdir()
    _, folder = curated(tmp_path / "folded", source, [{"dedup": {"numbers": "fold"}}])
    assert sorted(kept(folder)) == ["0.md", "2.md"]


def test_every_row_is_in_the_data_set_or_in_its_account(tmp_path: Path):
    texts = [prose(n) for n in range(6)] + ["No.", prose(2), prose(3) + "One sentence more.\n"]
    result, folder = curated(tmp_path, documents(tmp_path / "raw", texts), ["quality", "dedup"])
    assert sorted(kept(folder)) == [f"{n}.md" for n in range(6)]
    gone = dropped(folder)
    assert {id: (row["step"], row["name"], row["rule"]) for id, row in gone.items()} == {
        "6.md": (1, "quality", "fewest_words"),
        "7.md": (2, "dedup", "same text"),
        "8.md": (2, "dedup", "nearly the same"),
    }
    assert (gone["6.md"]["value"], gone["6.md"]["limit"]) == ("1", "20")
    assert (gone["7.md"]["kept"], gone["8.md"]["kept"]) == ("2.md", "3.md")
    assert gone["8.md"]["text"] == texts[8]
    summary = dict(result.summary)
    assert (summary["documents"], summary["dropped"]) == (6, 3)
    assert [(step["step"], step["rows"]) for step in summary["funnel"]] == [
        ("", 9), ("quality", 8), ("dedup", 6),
    ]  # fmt: skip
    assert summary["funnel"][0]["characters"] == sum(map(len, texts))
    assert summary["funnel"][2]["dropped"] == {"nearly the same": 1, "same text": 1}


def test_of_no_rows_come_no_rows(tmp_path: Path):
    result, folder = curated(tmp_path, documents(tmp_path / "raw", []), ["quality", "dedup"])
    assert kept(folder) == {}
    assert result.summary["documents"] == 0


def test_steps_go_one_after_the_other(tmp_path: Path):
    source = documents(tmp_path / "raw", [prose(n) for n in range(30)])
    result, folder = curated(tmp_path, source, [{"sample": 10}, "dedup", {"sample": 5}])
    assert [step["rows"] for step in result.summary["funnel"]] == [30, 10, 10, 5]
    _, other = curated(tmp_path, source, [{"sample": 5}], work="other")
    assert kept(other).keys() == kept(folder).keys()  # the smallest of all are those of ten


def test_several_data_sets_go_together_under_their_names(tmp_path: Path):
    first = documents(tmp_path / "a", [prose(1)], ref="data/a")
    second = documents(tmp_path / "b", [prose(1), prose(2)], ref="data/b")
    folder = tmp_path / "work"
    folder.mkdir()
    from inhouse.core.access import Actor
    from inhouse.core.stage import Context
    from inhouse.data.curate import STAGE

    spec = Curate.of([read_step("dedup")], ["data/a", "data/b"])
    STAGE.run(spec, {"data/a": first, "data/b": second}, Context(folder, Actor("ana")))
    assert sorted(kept(folder)) == ["a/0.md", "b/1.md"]
    assert dropped(folder)["b/0.md"]["kept"] == "a/0.md"
    other = data_set(tmp_path / "c", [{"id": "1", "text": "t", "label": "l"}], "examples", "data/c")
    with pytest.raises(BadInput, match="several kinds cannot be put together: data/"):
        STAGE.run(
            Curate.of([read_step("dedup")], ["data/a", "data/c"]),
            {"data/a": first, "data/c": other},
            Context(folder, Actor("ana")),
        )


def test_chats_are_judged_by_all_their_turns(tmp_path: Path):
    def chat(id: str, *said: str):
        roles = ("user", "assistant")
        turns = [
            {"role": roles[n % 2], "content": text, "calls": [], "answers": ""}
            for n, text in enumerate(said)
        ]
        return {"id": id, "messages": turns}

    chats = [chat("a", prose(1), prose(2)), chat("b", prose(1), prose(2)), chat("c", prose(3))]
    source = data_set(tmp_path / "raw", chats, "chats")
    result, folder = curated(tmp_path, source, ["dedup"])
    assert [row["id"] for row in read_rows(folder)] == ["a", "c"]
    assert result.summary["chats"] == 2
    assert dropped(folder)["b"]["messages"][1]["content"] == prose(2)


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of forty groups, with copies far apart."""
    monkeypatch.setattr(rows_module, "GROUP_ROWS", 10)
    documents(tmp_path / "raw", [prose(n % 333) for n in range(400)])
    with RowReader(tmp_path / "raw") as reader:
        assert reader.groups == 40
    return tmp_path / "raw"


def killed(raw: Path, work: Path, steps: str, after: int) -> None:
    command = [sys.executable, str(PROGRAM), str(raw), str(work), steps, "0.02", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for _ in range(after):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
@pytest.mark.parametrize(
    "after", [45, pytest.param(7, marks=pytest.mark.slow), pytest.param(79, marks=pytest.mark.slow)]
)
def test_killed_it_goes_on_batch_by_batch_to_the_same_bytes(many: Path, tmp_path: Path, after: int):
    steps = ["quality", "dedup", {"sample": 200}]
    killed(many, tmp_path / "cut", json.dumps(steps), after)
    shelf = tmp_path / "cut/unfinished"
    done = {file: file.stat().st_mtime_ns for file in shelf.rglob("[0-9]*.rows.arrow")}
    assert len(done) >= after
    source = made(many, "data/raw")
    _, cut = curated(tmp_path, source, steps, work="cut")
    assert {file: file.stat().st_mtime_ns for file in done} == done
    _, whole = curated(tmp_path, source, steps, work="whole")
    assert digests(cut) == digests(whole)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA is Linux's")
def test_a_corpus_larger_than_memory(tmp_path: Path):
    steps = [{"quality": "code"}, "dedup"]
    # Compiling needs memory of its own, once for a machine.
    curated(tmp_path, documents(tmp_path / "small", [prose(1)]), steps, work="first")
    page = [prose(seed, 600) for seed in range(200)]
    chance = random.Random(0)
    texts = ("\n".join(chance.sample(page, 60)) for _ in range(2_750))
    documents(tmp_path / "raw", texts)
    with RowReader(tmp_path / "raw") as reader:
        size = sum(table.nbytes for table in reader.all())
    bound = 480
    assert size > 1.2 * bound * 2**20
    command = [sys.executable, str(PROGRAM), str(tmp_path / "raw"), str(tmp_path / "work")]
    done = subprocess.run(
        [*command, json.dumps(steps), "0", str(bound)], capture_output=True, text=True, timeout=550,
        env={**os.environ, **FRUGAL},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(kept(tmp_path / "work")) + len(dropped(tmp_path / "work")) == 2_750


@pytest.mark.parametrize("name", STEPS)
def test_a_step_comes_back_from_what_is_written_down(name: str):
    given = {
        "decontaminate": "suites/desk",
        "language": ["en", "de"],
        "sample": 10,
        "quality": {"preset": "web", "lines": {"terminal": True}, "fewest_words": 3},
        "dedup": {"method": "exact"},
        "domain": {"in": "data/a", "out": "data/b"},
        "split": {"train": 0.9, "test": 0.1},
        "toxicity": {"examples": "data/a", "toxic": ["toxic"]},
    }
    step = read_step({name: given[name]} if name in given else name)
    assert restored(json.loads(json.dumps(step.plain))) == step


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"domain": {"in": "data/a"}}, "does not name both sides"),
        ("qualty", "no step 'qualty'. Did you mean 'quality'?"),
        (["quality"], "a step is a name, or a name with its settings"),
        ({"quality": "documnts"}, "no preset 'documnts'. Did you mean 'documents'?"),
        ({"quality": {"fewest_wrods": 3}}, "no rule 'fewest_wrods'. Did you mean 'fewest_words'?"),
        ({"quality": {"fewest_words": "many"}}, "'fewest_words' is 'many'. Write a number"),
        ({"quality": {"lines": {"terminl": True}}}, "unknown key 'terminl'. Did you mean"),
        ({"dedup": "minhsh"}, "'minhsh', which is not known. Did you mean 'minhash'?"),
        ({"dedup": {"similarity": 2}}, "'similarity' is 2.0. It should be 1.0 or less."),
        ({"dedup": {"bands": 0}}, "'bands' is 0. It should be 1 or more."),
        ({"dedup": {"words": 2.5}}, "'words' is 2.5. Write a whole number."),
        ({"sample": True}, "'rows' is True. Write a whole number."),
        ("sample", "does not say how many rows"),
        ("language", "does not say which language"),
        ({"language": "English"}, "'English' is no code of a language"),
        ({"decontaminate": "models/x"}, "no suite and no data set"),
    ],
)
def test_mistakes_in_a_step_are_told(entry: object, what: str):
    with pytest.raises(BadInput) as told:
        read_step(entry)
    assert what in str(told.value)
