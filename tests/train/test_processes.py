"""Several processes learn what one does, and none of them is left when one is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from train.test_language import FULL, LENGTH, LORA, STEPS, WEIGHTS
from train.tiny_llama import DATA, opened, repeated, talks, tiny_llama, trained

from inhouse.core.access import Actor
from inhouse.core.artifact import Ref, identity
from inhouse.core.errors import BadInput, InhouseError
from inhouse.core.stage import Context
from inhouse.train.checkpoint import newest
from inhouse.train.language import Language
from inhouse.train.launch import spread
from inhouse.train.learning import CHECKPOINTS
from inhouse.train.mixer import Mixer
from inhouse.train.processes import (
    ENDED,
    ERROR,
    FOLDER,
    PROGRESS,
    Processes,
    failure,
    inputs_of,
    is_shared,
    job_of,
    most,
)
from inhouse.train.rank import spec_of
from inhouse.train.schedule import Phase, Schedule
from inhouse.train.stream import parts_from
from inhouse.train.tokens import Tokens

TESTS = str(Path(__file__).parents[1])
TWO = Processes(count=2)
PARTS = Processes(count=2, shard=True)
NEW = replace(FULL, method="scratch")

train = pytest.mark.train


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {DATA: repeated(tmp_path_factory.mktemp("tokens") / "notes")}


def test_processes_learn_together_the_rows_that_one_learns(tmp_path: Path):
    tokens = Tokens(talks(tmp_path / "talks"))
    schedule = Schedule([Phase(24, {"talks": 1.0})])
    mixer = Mixer({"talks": tokens}, schedule, length=LENGTH, batch=8)
    whole = list(parts_from(mixer, 1, rows=8))
    for world in (2, 4):
        shares = [
            list(parts_from(mixer, 1, rows=8, rank=rank, world=world)) for rank in range(world)
        ]
        for step, part in enumerate(whole):
            mine = [share[step] for share in shares]
            assert {one.learnt for one in mine} == {part.learnt}
            assert np.array_equal(np.concatenate([one.targets for one in mine]), part.targets)
            assert np.array_equal(np.concatenate([one.tokens for one in mine]), part.tokens)


def test_how_many_processes_decides_nothing(base: Path, sources: dict[str, Path], tmp_path: Path):
    spec = replace(FULL, processes=Processes(3, "ray://box:10001"))
    assert identity(spec) == identity(FULL)
    assert not is_shared(Processes(1), 8)
    assert is_shared(Processes(2), 8)
    assert is_shared(Processes(1, "ray://box:10001"), 8)
    assert [most(wanted, 12) for wanted in (0, 1, 5, 8, 99)] == [1, 1, 4, 6, 12]
    with pytest.raises(BadInput, match=r"8 rows .* among 3 processes\. Set 'batch' .*'.* to 2\."):
        is_shared(Processes(3), 8)
    inputs = {"base": opened(base, "models/tiny"), DATA: opened(sources[DATA], DATA)}
    told = json.loads(job_of("stage", spec, inputs, Context(tmp_path, Actor("ana"), 7)))
    assert spec_of(Language, told["spec"]) == replace(spec, processes=Processes(1))
    found = inputs_of(told)
    assert found["base"].artifact.ref == Ref.parse("models/tiny")
    assert found["base"].artifact.summary == {"licence": "MIT"}
    assert found[DATA].folder == sources[DATA]


def test_why_processes_ended_is_one_sentence(tmp_path: Path):
    error = failure(tmp_path, "No space left.")
    assert error.what == "One of the processes that train has failed: No space left."
    (tmp_path / "crash-1.txt").write_text("RuntimeError: it fell off", encoding="utf-8")
    assert failure(tmp_path, "").what.startswith("Number 1 of the processes that train has failed")
    (tmp_path / ENDED).write_text('{"0": 1, "1": -9, "2": -15}', encoding="utf-8")
    assert failure(tmp_path, "").what.endswith("was ended by SIGKILL.")
    told = {"what": "The loss is no number.", "fix": "Lower 'rate'.", "user": True}
    (tmp_path / ERROR).write_text(json.dumps(told), encoding="utf-8")
    assert isinstance(failure(tmp_path, ""), BadInput)


@train
@pytest.mark.slow
@pytest.mark.parametrize("processes", [TWO, PARTS], ids=["copies", "parts"])
def test_two_processes_end_in_the_weights_of_one(
    base: Path, sources: dict[str, Path], tmp_path: Path, processes: Processes
):
    chats = {"data/talks": talks(tmp_path / "talks")}
    mix = (("data/talks", 3.0), (DATA, 1.0))
    spec = replace(LORA, method="instruct", mix=mix)
    one = trained(spec, base, sources | chats, tmp_path / "one")
    steps: list[int] = []
    two = trained(
        replace(spec, processes=processes), base, sources | chats, tmp_path / "two",
        progress=lambda done, *_: steps.append(done),
    )  # fmt: skip
    assert steps[-1] == STEPS
    same_curves(tmp_path / "one", tmp_path / "two")
    same_weights(tmp_path / "one", tmp_path / "two", "adapter_model.safetensors")
    assert one.summary["shares"] == two.summary["shares"]
    assert f"{FOLDER}/rank-1.log" in two.scratch
    assert "| processes | 2 |" in (tmp_path / "two/card.md").read_text(encoding="utf-8")


@train
@pytest.mark.slow
@pytest.mark.parametrize(
    ("alone", "processes"),
    [(FULL, TWO), (NEW, TWO), (FULL, PARTS), (LORA, PARTS)],
    ids=["continue", "scratch", "parts", "parts of an adapter"],
)
def test_when_a_process_is_lost_the_others_end_and_any_number_goes_on(
    base: Path,
    sources: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    alone: Language,
    processes: Processes,
):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*sys.path, TESTS]))
    work, spec = tmp_path / "work", replace(alone, processes=processes)
    work.mkdir()
    for how, words in (
        ("1 3 fails", r"Number 1 .* has failed: RuntimeError: the card fell off the bus\. Look"),
        ("1 6 killed", r"Number 1 .* was ended by SIGKILL\. Run it again"),
    ):
        (work / "how").write_text(how, encoding="utf-8")
        inputs = {"base": opened(base, "models/tiny"), DATA: opened(sources[DATA], DATA)}
        with pytest.raises(InhouseError, match=words):
            spread("train.dying", spec, inputs, Context(work, Actor("ana")))
        assert gone(work)
    kept = newest(work / CHECKPOINTS)
    assert kept is not None
    assert kept.step == 5
    sizes = trained(alone, base, sources, work).summary
    whole = sizes["trained"] * 2 + sizes["parameters"] + (sizes["trained"] if alone.lora else 0)
    held = [int((work / f"held-{rank}").read_text(encoding="utf-8")) for rank in (0, 1)]
    assert (sum(held) == whole) if processes.shard else (held == [whole, whole])
    assert max(held) < whole * (0.6 if processes.shard else 2)
    trained(alone, base, sources, tmp_path / "one")
    same_weights(tmp_path / "one", work, "adapter_model.safetensors" if alone.lora else WEIGHTS)
    same_curves(tmp_path / "one", work)


@train
@pytest.mark.gpu
def test_a_model_is_split_where_gpus_are(base: Path, sources: dict[str, Path], tmp_path: Path):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("this machine has no NVIDIA GPU")
    check_parts(base, sources, tmp_path, most(torch.cuda.device_count(), FULL.batch))


def check_parts(base: Path, sources: dict[str, Path], work: Path, count: int) -> None:
    """Have so many processes split a model, and see that it learns as in one."""
    alone = trained(FULL, base, sources, work / "one").summary["perplexity"][DATA]
    spec = replace(FULL, processes=Processes(count, shard=True))
    inputs = {"base": opened(base, "models/tiny"), DATA: opened(sources[DATA], DATA)}
    (work / "parts").mkdir()
    context = Context(work / "parts", Actor("ana"))
    found = spread("inhouse.train.language", spec, inputs, context).summary["perplexity"][DATA]
    assert found == pytest.approx(alone, rel=0.02)
    assert (work / "parts" / WEIGHTS).is_file()


PARENT = """
import sys
sys.path.insert(0, {tests!r})
from dataclasses import replace
from pathlib import Path
from train.tiny_llama import DATA, opened
from train.test_language import FULL
from inhouse.core.access import Actor
from inhouse.core.stage import Context
from inhouse.train.launch import spread
from inhouse.train.processes import Processes
inputs = {{"base": opened(Path({base!r}), "models/tiny"), DATA: opened(Path({data!r}), DATA)}}
spread("train.dying", replace(FULL, processes=Processes(count=2)), inputs,
       Context(Path({work!r}), Actor("ana")))
"""


@train
@pytest.mark.slow
@pytest.mark.parametrize("whom", ["parent", "launcher"])
def test_when_who_started_them_is_killed_nothing_is_left_running(
    base: Path, sources: dict[str, Path], tmp_path: Path, whom: str
):
    work = tmp_path / "work"
    work.mkdir()
    (work / "how").write_text("0 4 wait", encoding="utf-8")
    code = PARENT.format(tests=TESTS, base=str(base), data=str(sources[DATA]), work=str(work))
    path = os.pathsep.join([*sys.path, TESTS])
    started = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path})
    try:
        assert eventually((work / FOLDER / PROGRESS).is_file)
        assert eventually(lambda: newest(work / CHECKPOINTS) is not None)
        os.kill(started.pid if whom == "parent" else launcher(work), signal.SIGKILL)
        assert gone(work)
        assert started.wait(60) == (-signal.SIGKILL if whom == "parent" else 1)
    finally:
        started.kill()
        started.wait()
    assert newest(work / CHECKPOINTS) is not None


@train
@pytest.mark.slow
def test_when_they_are_asked_to_stop_the_step_in_hand_is_kept(
    base: Path, sources: dict[str, Path], tmp_path: Path
):
    work = tmp_path / "work"
    work.mkdir()
    (work / "how").write_text("0 4 asked", encoding="utf-8")
    code = PARENT.format(tests=TESTS, base=str(base), data=str(sources[DATA]), work=str(work))
    path = os.pathsep.join([*sys.path, TESTS])
    started = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path})
    try:
        assert eventually((work / FOLDER / PROGRESS).is_file)
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == -signal.SIGINT  # as Python says it
        assert gone(work)
    finally:
        started.kill()
        started.wait()
    kept = newest(work / CHECKPOINTS)
    assert kept is not None
    assert kept.step == 4


def launcher(work: Path) -> int:
    """Return the process that started the others."""
    pid = (work / "pid-0").read_text(encoding="utf-8")
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def gone(work: Path) -> bool:
    pids = [int(file.read_text(encoding="utf-8")) for file in work.glob("pid-*")]
    assert len(pids) == 2
    return eventually(lambda: not any(map(lives, pids)))


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def eventually(holds: Callable[[], bool]) -> bool:
    """Say whether something holds within two minutes."""
    for _ in range(600):
        if holds():
            return True
        time.sleep(0.2)
    return False


def same_weights(one: Path, other: Path, name: str) -> None:
    from safetensors.numpy import load_file

    first, second = load_file(one / name), load_file(other / name)
    assert first.keys() == second.keys()
    assert max(float(np.abs(first[key] - second[key]).max()) for key in first) < 1e-5


def same_curves(one: Path, other: Path) -> None:
    import pyarrow.parquet as pq

    first, second = (pq.read_table(folder / "curves.parquet") for folder in (one, other))
    for name in set(first.column_names) - {"seconds"}:
        pairs = zip(first[name].to_pylist(), second[name].to_pylist(), strict=True)
        assert all(a == b or abs(a - b) < 1e-4 * abs(a) for a, b in pairs), name
