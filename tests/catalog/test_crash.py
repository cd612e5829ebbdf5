"""kill -9 at any moment: the store stays sound, and the work can be taken up again."""

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.making import (
    Text,
    assert_sound,
    die,
    make,
    opened,
    processes,
    recipe,
    run_all,
    started,
    text_of,
    wait_for,
)
from inhouse.catalog import Catalog, blobs, records
from inhouse.catalog.blobs import Blobs
from inhouse.core.artifact import Ref
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")

POINTS = (
    "in the stage",
    "in keep",
    "after keep",
    "in the transaction",
    "after the commit",
)


def overwrite(spec: Text, inputs: Inputs, ctx: Context) -> Result:
    """Write into whatever an earlier run left, in place, as a checkpointing stage would."""
    log = ctx.work / "runs.log"
    runs = log.stat().st_size if log.exists() else 0
    with log.open("a") as file:
        file.write("x")
    for name in ("a.bin", "b.bin"):
        with (ctx.work / name).open("r+" if (ctx.work / name).exists() else "w") as file:
            file.write(f"{spec.text} {name} run {runs}")
            file.flush()
            if spec.count == "in the stage" and not runs:
                die()
    return Result({"runs": runs + 1}, scratch=("runs.log",))


def overwriting(point: str = "") -> Recipe:
    return Recipe(Ref("models", "m"), Stage("overwrite", 1, overwrite), Text("text", count=point))


def after(owner: object, name: str) -> None:
    real: Callable[..., object] = getattr(owner, name)

    def then_die(*args, **kwargs):
        real(*args, **kwargs)
        die()

    setattr(owner, name, then_die)


def die_at(root: Path, point: str) -> None:
    catalog = Catalog(root)
    if point == "in keep":
        after(blobs, "_link")
    elif point == "after keep":
        after(Blobs, "keep")
    elif point == "in the transaction":
        after(records, "record")
    elif point == "after the commit":
        Blobs.discard = lambda self, version: die()
    elif point == "while taking work back":
        after(blobs.shutil, "copyfile")
    catalog.make(overwriting(point), by="ana")


def killed_at(root: Path, point: str) -> None:
    with started(die_at, root, point) as process:
        process.join(60)
        assert process.exitcode == -9


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(root: Path, point: str):
    killed_at(root, point)
    assert_sound(root)
    with opened(root) as catalog:
        done = point == "after the commit"
        assert catalog.made(overwriting().version) == done
        assert catalog.blobs.unfinished(overwriting().version)
        made = catalog.make(overwriting(), by="bo")
        assert made.fresh != done
        assert made.artifact.summary == {"runs": 1 if done else 2}
        shown = catalog.load(made.artifact.ref).folder
        assert sorted(path.name for path in shown.iterdir()) == ["a.bin", "b.bin"]
        assert (shown / "a.bin").read_text() == f"text a.bin run {0 if done else 1}"
        assert_sound(root)  # before `collect` could take away what was written into
        catalog.collect(by="owner")
        assert not catalog.blobs.unfinished(overwriting().version)
    assert_sound(root)


def test_killed_again_while_taking_work_back(root: Path):
    killed_at(root, "after keep")
    killed_at(root, "while taking work back")
    with opened(root) as catalog:
        catalog.collect(by="owner")  # what was kept is nobody's, so it goes
        work = catalog.blobs.work(overwriting().version)
        assert all(path.stat().st_mode & 0o200 for path in work.iterdir())
        made = catalog.make(overwriting(), by="bo")
        assert sorted(made.artifact.files) == ["a.bin", "b.bin"]
    assert_sound(root)


def make_on_and_on(root: Path, seed: int, journal: Path) -> None:
    catalog = Catalog(root)
    with journal.open("a") as file:
        for number in range(10_000):
            source = make(catalog, f"data/d{number % 3}", f"{seed} {number}" * 2000)
            for ref in (source, make(catalog, f"models/m{number % 2}", "m", source)):
                file.write(f"{ref.path}@{ref.version}\n")
                file.flush()


def test_killed_at_random_moments(root: Path, tmp_path: Path):
    journal = tmp_path / "journal"
    rng = random.Random(7)
    for seed in range(10):
        before = journal.stat().st_size if journal.exists() else 0
        with started(make_on_and_on, root, seed, journal) as process:
            wait_for(lambda before=before: journal.exists() and journal.stat().st_size > before)
            time.sleep(rng.uniform(0, 0.15))
            process.kill()
    assert_sound(root)
    promised = [Ref.parse(line) for line in journal.read_text().splitlines()]
    with opened(root) as catalog:
        assert all(catalog.made(ref.version or "") for ref in promised)
        for version in catalog.blobs.unfinished_versions():
            assert catalog.made(version) or catalog.blobs.lock(version).acquire(timeout=0)
        catalog.collect(by="owner")
    assert_sound(root)


def make_one(root: Path, path: str, count: str, together: object) -> None:
    with opened(root) as catalog:
        together.wait(60)  # type: ignore[attr-defined]
        ref = make(catalog, path, "shared", count=count, seconds=0.05)
        assert text_of(catalog, ref) == "shared"


def test_eight_at_once_make_one_version_once(root: Path, tmp_path: Path):
    together = processes.Barrier(8)
    run_all(make_one, [(root, "data/a", str(tmp_path / "count"), together)] * 8)
    assert (tmp_path / "count").read_text() == "maker\n"
    assert_sound(root)


def make_many(root: Path, number: int) -> None:
    with opened(root) as catalog:
        for turn in range(4):
            make(catalog, f"data/d{number}", f"{turn}")


def test_eight_at_once_make_different_things(root: Path):
    run_all(make_many, [(root, number) for number in range(8)])
    assert_sound(root)
    with opened(root) as catalog:
        assert len(catalog.list()) == 8
        made = [entry for entry in catalog.audit(last=1000) if entry.action == "make"]
        assert len(made) == 32


def make_slowly(root: Path, count: str, seconds: float) -> None:
    with opened(root) as catalog:
        catalog.make(recipe("data/a", "slow", count=count, seconds=seconds), by="maker")


def test_another_takes_over_from_one_that_is_killed(root: Path, tmp_path: Path):
    count = tmp_path / "count"
    with started(make_slowly, root, str(count), 60) as first:
        wait_for(count.exists)
        with started(make_slowly, root, str(count), 0) as second:
            time.sleep(0.1)
            assert second.is_alive()
            first.kill()
            second.join(60)
            assert second.exitcode == 0
    with opened(root) as catalog:
        assert catalog.get(Ref("data", "a")).summary == {"begun": 2}
    assert_sound(root)


def open_new(root: Path, together: object) -> None:
    together.wait(60)  # type: ignore[attr-defined]
    with opened(root) as catalog:
        assert catalog.list() == []


def test_eight_at_once_open_a_new_store(tmp_path: Path):
    for number in range(2):
        together = processes.Barrier(8)
        run_all(open_new, [(tmp_path / f"store{number}", together)] * 8)
