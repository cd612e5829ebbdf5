"""Versions are known before the work, work is done once, and bytes are what they were."""

import os
from pathlib import Path

import pytest

from catalog.making import WRITE, Text, make, opened, recipe, text_of
from inhouse.catalog import Catalog
from inhouse.catalog.blobs import Blobs
from inhouse.core.artifact import Edge, Ref
from inhouse.core.errors import BadInput, Corrupt, NotFound, StoreError
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage


def test_the_version_is_known_before_the_work(catalog: Catalog):
    wanted = recipe("data/a", "hello")
    assert not catalog.made(wanted.version)
    made = catalog.make(wanted, by="ana")
    assert made.fresh
    assert made.artifact.ref == wanted.ref.at(wanted.version)
    assert catalog.made(wanted.version)
    assert text_of(catalog, wanted.ref) == "hello"


def test_unchanged_work_is_skipped(catalog: Catalog, tmp_path: Path):
    count = str(tmp_path / "count")
    first = catalog.make(recipe("data/a", count=count), by="ana")
    again = catalog.make(recipe("data/a", count=count), by="bo")
    assert not again.fresh
    assert again.artifact == first.artifact
    assert Path(count).read_text() == "ana\n"


def test_what_was_verified_once_is_read_again_when_it_was_touched(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    ref, read = make(catalog, "data/a"), []
    verify = Blobs.verify
    monkeypatch.setattr(
        Blobs, "verify", lambda blobs, name, file: (read.append(name), verify(blobs, name, file))
    )
    folder = catalog.load(ref, again=False).folder
    assert catalog.load(ref, again=False).folder == folder
    assert len(read) == 1
    catalog.load(ref)
    assert len(read) == 2
    shown = next(path for path in folder.rglob("*") if path.is_file())
    shown.chmod(0o644)
    text = shown.read_text()
    shown.write_text("x" * len(text))
    os.utime(shown, (0, 0))
    with pytest.raises(Corrupt):
        catalog.load(ref, again=False)


def test_what_decides_the_result_makes_a_new_version(catalog: Catalog):
    parent, other = make(catalog, "data/p"), make(catalog, "data/p", "other")
    base = recipe("data/a", "text", parent)
    changes = [
        recipe("data/a", "changed", parent),
        recipe("data/a", "text", other),
        Recipe(base.ref, Stage("write", 2, WRITE.run), base.spec, base.parents),
    ]
    made = [catalog.make(change, by="ana") for change in (base, *changes)]
    assert all(one.fresh for one in made)
    assert len({one.artifact.ref.version for one in made}) == 4
    assert catalog.get(base.ref) == made[-1].artifact


def test_going_back_makes_nothing_and_moves_the_name(catalog: Catalog):
    old = make(catalog, "data/a", "old")
    make(catalog, "data/a", "new")
    assert not catalog.make(recipe("data/a", "old"), by="ana").fresh
    assert catalog.get(Ref("data", "a")).ref == old


def test_a_stage_is_told_what_else_it_made(catalog: Catalog):
    make(catalog, "data/a", "old")
    make(catalog, "data/b", "gone")
    make(catalog, "data/b", "beside")
    make(catalog, "data/a", "current")
    catalog.erase(
        catalog.make(recipe("data/b", "gone"), by="ana", point=False).artifact.ref, by="ana"
    )
    seen = []

    def look(spec: Text, inputs: Inputs, ctx: Context) -> Result:
        found = [other.open() for other in ctx.others()]
        seen.extend((one.folder / "deep/text.txt").read_text() for one in found if one)
        return Result()

    catalog.make(Recipe(Ref("data", "a"), Stage("write", 9, look), Text("new")), by="ana")
    assert seen == ["beside", "old"]


def test_one_recipe_under_two_names_is_two_things(catalog: Catalog):
    a, b = make(catalog, "data/a"), make(catalog, "data/b")
    assert a.version != b.version
    assert {one.ref for one in catalog.list()} == {a, b}
    assert text_of(catalog, a) == text_of(catalog, b)
    blobs = [path for path in (catalog.root / "blobs").glob("*/*")]
    assert len(blobs) == 1


def test_what_is_known_of_an_artifact(catalog: Catalog):
    parent = make(catalog, "data/p")
    child = catalog.get(make(catalog, "data/c", "child", parent))
    assert child.parents == (Edge("p0", parent),)
    assert child.params == {"text": "child"}
    assert child.summary == {"begun": 1}
    assert (child.recipe, child.code, child.actor) == ("write", 1, "maker")
    assert list(child.files) == ["deep/text.txt"]
    assert child.size == len("child\ntext")
    assert [one.ref for one in catalog.children(catalog.get(parent))] == [child.ref]


def test_references_are_found_or_explained(catalog: Catalog):
    ref = make(catalog, "data/handbook")
    assert catalog.get(ref.at(ref.version[:6])).ref == ref
    assert catalog.find(Ref("data", "other")) is None
    with pytest.raises(NotFound, match="Did you mean 'data/handbook'"):
        catalog.get(Ref("data", "handbok"))
    with pytest.raises(NotFound, match="inhouse run"):
        catalog.get(ref.at("0123"))
    for number in range(16):  # so that two versions begin with the same digit
        make(catalog, "data/handbook", str(number))
    with pytest.raises(BadInput, match="digits"):
        for digit in "0123456789abcdef":
            catalog.get(ref.at(digit))


def test_a_stage_without_files_is_an_artifact(catalog: Catalog):
    stage = Stage("nothing", 1, lambda spec, inputs, ctx: Result({"n": 1}))
    made = catalog.make(Recipe(Ref("endpoints", "e"), stage, Text("x")), by="ana")
    assert made.artifact.size == 0
    assert list(catalog.load(made.artifact.ref).folder.iterdir()) == []


def test_a_link_is_kept_as_a_copy(catalog: Catalog, tmp_path: Path):
    outside = tmp_path / "outside.txt"
    outside.write_text("before")

    def link(spec: Text, inputs: Inputs, ctx: Context) -> Result:
        (ctx.work / "x").symlink_to(outside)
        return Result()

    ref = catalog.make(Recipe(Ref("data", "a"), Stage("link", 1, link), Text("")), by="a")
    outside.write_text("after!")
    shown = catalog.load(ref.artifact.ref).folder / "x"
    assert not shown.is_symlink()
    assert shown.read_text() == "before"


def test_a_failed_stage_leaves_its_work_and_no_artifact(catalog: Catalog):
    def fail(spec: Text, inputs: Inputs, ctx: Context) -> Result:
        begun = ctx.work / "begun"
        if begun.exists():
            return Result({"resumed": True}, scratch=("begun",))
        begun.touch()
        raise ZeroDivisionError

    wanted = Recipe(Ref("data", "a"), Stage("fail", 1, fail), Text(""))
    with pytest.raises(ZeroDivisionError):
        catalog.make(wanted, by="ana")
    assert catalog.find(wanted.ref) is None
    assert catalog.blobs.unfinished(wanted.version)
    assert catalog.make(wanted, by="ana").artifact.summary == {"resumed": True}
    assert not catalog.blobs.unfinished(wanted.version)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.mark.parametrize("seen_before", [False, True])
def test_a_flipped_bit_is_found_and_healed(catalog: Catalog, seen_before: bool):
    ref = make(catalog, "data/a", "precious")
    if seen_before:
        assert text_of(catalog, ref) == "precious"
    (file,) = catalog.get(ref).files.values()
    flip(catalog.blobs.path(file.digest))
    with pytest.raises(Corrupt, match="inhouse run"):
        catalog.load(ref)
    assert not catalog.made(ref.version)
    assert catalog.make(recipe("data/a", "precious"), by="ana").fresh
    assert text_of(catalog, ref) == "precious"


def test_a_lost_file_is_found_and_healed(catalog: Catalog):
    ref = make(catalog, "data/a")
    (file,) = catalog.get(ref).files.values()
    catalog.blobs.path(file.digest).unlink()
    with pytest.raises(Corrupt):
        catalog.load(ref)
    make(catalog, "data/a")
    assert text_of(catalog, ref) == "text"


def test_a_damaged_input_stops_the_work(catalog: Catalog, tmp_path: Path):
    parent = make(catalog, "data/p", "precious")
    (file,) = catalog.get(parent).files.values()
    flip(catalog.blobs.path(file.digest))
    child = recipe("data/c", "child", parent, count=str(tmp_path / "count"))
    with pytest.raises(Corrupt):
        catalog.make(child, by="ana")
    assert not (tmp_path / "count").exists()
    make(catalog, "data/p", "precious")
    assert catalog.make(child, by="ana").fresh


def test_a_file_replaced_in_a_shown_folder_is_put_right(catalog: Catalog):
    ref = make(catalog, "data/a", "right")
    shown = catalog.load(ref).folder / "deep" / "text.txt"
    shown.unlink()
    shown.write_text("wrong")
    assert text_of(catalog, ref) == "right"
    shown.unlink()
    assert text_of(catalog, ref) == "right"


def test_without_hard_links_files_are_copied(root: Path, monkeypatch: pytest.MonkeyPatch):
    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with opened(root) as catalog:
        ref = make(catalog, "data/a", "copied")
        assert text_of(catalog, ref) == "copied"
        (file,) = catalog.get(ref).files.values()
        assert catalog.blobs.path(file.digest).stat().st_nlink == 1
        shown = catalog.load(ref).folder / "deep" / "text.txt"
        flip(shown)
        assert text_of(catalog, ref) == "copied"


def test_a_store_that_cannot_be_is_a_sentence(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        Catalog(file)
    with pytest.raises(StoreError, match="cannot be used"):
        Catalog(file / "below")


def test_a_damaged_database_is_a_sentence(root: Path):
    with opened(root) as catalog:
        make(catalog, "data/a")
    (root / "catalog.db").write_bytes(b"not a database at all" * 500)
    with pytest.raises(StoreError, match="damaged"):
        Catalog(root)


def test_a_store_of_a_newer_version_is_a_sentence(root: Path):
    with opened(root) as catalog, catalog.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO migrations VALUES (99)")
    with pytest.raises(StoreError, match="newer version"):
        Catalog(root)


def test_what_was_slipped_into_a_shown_folder_is_gone(catalog: Catalog):
    made = make(catalog, "data/handbook", "text")
    (catalog.load(made).folder / "chat_template.jinja").write_text("slipped in")
    assert not (catalog.load(made).folder / "chat_template.jinja").exists()
