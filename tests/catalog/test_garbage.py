"""Collection removes what nothing current needs, and never anything else."""

import sys
from ctypes import c_int
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.making import (
    assert_sound,
    label,
    make,
    opened,
    processes,
    recipe,
    run_all,
    started,
    text_of,
    wait_for,
)
from inhouse.catalog import Catalog
from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound

graphs = st.lists(
    st.tuples(
        st.integers(0, 3),  # which name
        st.integers(0, 2),  # which text: some are the same, and share their bytes
        st.sets(st.integers(0, 5), max_size=2),
        st.sampled_from(["carry", "filter"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20, deadline=None)
@given(graph=graphs, deleted=st.none() | st.integers(0, 5))
def test_what_is_needed_stays_and_the_rest_goes(graph: list, deleted: int | None):
    with TemporaryDirectory() as folder, opened(Path(folder)) as catalog:
        refs: list[Ref] = []
        parents_of: dict[Ref, set[Ref]] = {}
        texts: dict[Ref, str] = {}
        for name, text, numbers, flow in graph:
            parents = [refs[number] for number in sorted(numbers) if number < len(refs)]
            ref = make(catalog, f"data/n{name}", str(text), *parents, flow=flow)
            refs.append(ref)
            parents_of[ref] = set(parents)
            texts[ref] = text_of(catalog, ref)
        gone = set()
        if deleted is not None and deleted < len(refs):
            gone = {catalog.delete(refs[deleted], by="owner").ref}
        needed = {artifact.ref for artifact in catalog.list()}
        while more := {p for ref in needed for p in parents_of[ref]} - needed:
            needed |= more
        foreseen = catalog.collect(by="owner", dry=True)
        assert catalog.collect(by="owner") == foreseen
        assert set(foreseen.artifacts) == set(refs) - needed - gone
        for ref in set(refs):
            if ref in needed - gone:
                assert text_of(catalog, ref) == texts[ref]
            else:
                assert not catalog.made(ref.version or "")
                with pytest.raises(NotFound):
                    catalog.load(ref)
        kept = [path.name for path in (catalog.root / "blobs").glob("*/*")]
        assert sorted(kept) == sorted(
            {file.digest for ref in needed - gone for file in catalog.get(ref).files.values()}
        )
        assert catalog.collect(by="owner").artifacts == ()


def test_a_collected_version_can_be_made_again(catalog: Catalog):
    label(catalog, "data/a", "hr")
    old = make(catalog, "data/a", "old")
    child = make(catalog, "models/m", "m", old)
    make(catalog, "models/m", "newer")
    make(catalog, "data/a", "new")
    found = catalog.collect(by="owner")
    assert set(found.artifacts) == {old, child}
    assert found.bytes == len("old") + len("m\nold")
    with pytest.raises(NotFound, match="collected"):
        catalog.load(old)
    with pytest.raises(NotFound, match="collected"):
        catalog.make(recipe("models/x", "x", old), by="ana")
    assert catalog.access.decide(Actor("ana", frozenset({"hr"})), "read", old).allowed
    assert catalog.make(recipe("data/a", "old"), by="ana").fresh
    assert text_of(catalog, old) == "old"
    assert catalog.get(Ref("data", "a")).ref == old


def test_left_overs_of_a_crash_go_too(catalog: Catalog):
    ref = make(catalog, "data/a")
    left = catalog.blobs.work(ref.version or "")
    (catalog.root / "blobs" / "ab").mkdir(exist_ok=True)
    (catalog.root / "blobs" / "ab" / ".abc.half").write_bytes(b"12345")
    (catalog.root / "folders" / ".half").mkdir()
    begun = catalog.blobs.work("f" * 64)
    assert catalog.collect(by="owner").bytes == 5
    assert not left.exists()
    assert begun.exists()  # nobody finished it yet
    assert_sound(catalog.root)


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="starts processes by forking")


def make_slowly(root: Path, count: str) -> None:
    with opened(root) as catalog:
        make(catalog, "data/slow", count=count, seconds=60)


def test_it_refuses_while_something_is_made(catalog: Catalog, tmp_path: Path):
    count = tmp_path / "count"
    old = make(catalog, "data/a", "old")
    make(catalog, "data/a", "new")
    with started(make_slowly, catalog.root, str(count)) as process:
        wait_for(count.exists)
        with pytest.raises(BadInput, match="being made"):
            catalog.collect(by="owner")
        assert catalog.made(old.version or "")
        process.kill()
        process.join()
        assert catalog.collect(by="owner").artifacts == (old,)


def make_while_collected(root: Path, number: int) -> None:
    with opened(root) as catalog:
        for turn in range(8):
            source = make(catalog, f"data/{number}", f"source {turn % 3}")
            child = make(catalog, f"models/{number}", "child", source)
            assert text_of(catalog, source) == f"source {turn % 3}"
            assert text_of(catalog, child) == f"child\nsource {turn % 3}"
            assert catalog.get(Ref("models", str(number))).ref == child


def collect_on_and_on(root: Path, collected: c_int, stop: c_int) -> None:
    with opened(root) as catalog:
        while not stop.value:
            try:
                collected.value += len(catalog.collect(by="owner").artifacts)
            except BadInput:
                continue


def test_collecting_while_others_make_loses_nothing(root: Path):
    collected, stop = processes.RawValue("i", 0), processes.RawValue("i", 0)
    with started(collect_on_and_on, root, collected, stop) as collector:
        run_all(make_while_collected, [(root, number) for number in range(4)])
        stop.value = 1
        collector.join(30)
        assert collector.exitcode == 0
    assert collected.value > 0
    assert_sound(root)
    with opened(root) as catalog:
        assert len(catalog.list()) == 8


def test_unfinished_work_that_nobody_wants_goes(root: Path):
    with opened(root) as catalog:
        make(catalog, "data/a", "text")
        for version in ("a" * 64, "b" * 64):
            (catalog.blobs.work(version) / "half.bin").write_bytes(b"x" * 1000)
        catalog.collect(by="owner")
        assert len(catalog.blobs.unfinished_versions()) == 2
        foreseen = catalog.collect(by="owner", dry=True, wanted={"a" * 64})
        assert len(catalog.blobs.unfinished_versions()) == 2
        assert catalog.collect(by="owner", wanted={"a" * 64}) == foreseen
        assert foreseen.bytes == 1000
        assert catalog.blobs.unfinished_versions() == ["a" * 64]
        assert [file.name for file in (root / "locks").iterdir()] == ["commit.lock"]


def test_a_lock_that_is_held_stays(root: Path):
    with opened(root) as catalog, catalog.alone(["data/a"], lambda name: None):
        catalog.collect(by="owner")
        names = {file.name for file in (root / "locks").iterdir()}
        assert names == {"commit.lock", "name.data.a.lock"}
