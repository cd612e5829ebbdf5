"""`inhouse run --watch`: what changes on disk is searched and served a moment later."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from project_processes import started
from small_project import edit, inhouse, opened, small_project, write

from inhouse.project import watch as watching
from inhouse.project.watch import Following, Snapshot, changed, following

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ends with signals")


def documents(folder: Path, query: str, base: str = "all") -> list[str]:
    done = inhouse("search", base, query, "--json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return [hit["document"] for hit in json.loads(done.stdout)["hits"]]


@pytest.mark.parametrize("polling", ["", "true"], ids=["events", "polling"])
def test_what_changes_is_found(made: Path, polling: str):
    folder = made.parent
    with started("run", "--watch", cwd=folder, WATCHFILES_FORCE_POLLING=polling) as watch:
        watch.until("following 4 files")
        write(folder, {"docs/memos/new/deep/three.md": "# Three\n\nThe weight is eleven.\n"})
        said = watch.until("changed")
        assert said.startswith("1 file changed: 1 passage embedded, 6 reused (")  # in two bases
        assert "docs/memos/new/deep/three.md" in documents(folder, "weight eleven")
        (folder / "docs/memos/one.md").unlink()
        edit(folder / "docs/handbook/leave.md", "Thirty", "Forty")
        watch.until("changed")
        while "docs/memos/one.md" in documents(folder, "price seven"):
            watch.until("changed")  # the two changes may be far apart on a slow machine
        watch.process.send_signal(signal.SIGTERM)
        watch.until("Stopped following. What was done is kept.")
        assert watch.process.wait(30) == 0
    assert "Everything is up to date." in inhouse("plan", cwd=folder).stdout


def test_mistakes_are_told_and_it_goes_on(made: Path):
    folder = made.parent
    with started("run", "--watch", cwd=folder) as watch:
        watch.until("following")
        text = made.read_text(encoding="utf-8")
        made.write_text(text + "nonsense: [\n", encoding="utf-8")
        watch.until("error: ")
        aside = folder / "aside.yaml"  # as editors do it: a new file takes the place of the old
        aside.write_text(text.replace("label: buy-side}", "label: buy-side|sell-side}"), "utf-8")
        aside.replace(made)
        watch.until("error: This would loosen data/memos")
        made.write_text(
            text.replace("  desk: {from: data/memos", "  other: {from: data/memos").replace(
                "knowledge: knowledge/desk", "knowledge: knowledge/other"
            ),
            "utf-8",
        )
        assert "embedded" in watch.until("1 file changed: ")
        assert documents(folder, "price", "other")
        (folder / "docs/memos").rename(folder / "docs/away")
        watch.until("error: ")
        (folder / "docs/away").rename(folder / "docs/memos")
        watch.until("changed")
        watch.process.send_signal(signal.SIGINT)
        watch.until("Stopped following.")
        assert watch.process.wait(30) == 0


@pytest.mark.parametrize(
    "polling", ["", pytest.param("true", marks=pytest.mark.slow)], ids=["events", "polling"]
)
def test_it_outlives_what_becomes_of_a_folder(made: Path, polling: str):
    folder, memos = made.parent, made.parent / "docs/memos"

    def there() -> set[str]:
        with opened(made) as project:
            hits = project.search("desk", "price", top=9).hits
        return {hit.section.document.removeprefix("docs/memos/") for hit in hits}

    with started("run", "--watch", cwd=folder, WATCHFILES_FORCE_POLLING=polling) as watch:

        def followed(name: str) -> set[str]:
            """Write a document, and return what is there once it is followed."""
            write(folder, {f"docs/memos/{name}": f"# {name}\n\nThe price is nine.\n"})
            while name not in there():
                watch.until("changed")
            return there()

        watch.until("following")
        (memos / "circle.md").symlink_to("circle.md")
        Path(os.fsdecode(os.fsencode(memos) + b"/\xff.md")).write_text("text", encoding="utf-8")
        (memos / "closed").mkdir()
        (memos / "closed").chmod(0)
        (memos / "one.md").chmod(0)
        readable = {"one.md"} if os.access(memos / "one.md", os.R_OK) else set()
        assert followed("three.md") == {"two.md", "three.md"} | readable
        (memos / "closed").rmdir()
        for memo in memos.iterdir():
            memo.unlink()
        while there():
            watch.until("changed")
        assert followed("four.md") == {"four.md"}
        shutil.rmtree(memos)
        watch.until("error: ")
        assert there() == {"four.md"}
        assert followed("five.md") == {"five.md"}
        watch.process.send_signal(signal.SIGTERM)
        watch.until("Stopped following.")
        assert watch.process.wait(30) == 0


def test_one_line_for_each_run(made: Path):
    folder = made.parent
    with started("run", "knowledge/desk", "--watch", "--json", cwd=folder) as watch:
        first = watch.sync()
        assert not any(step["made"] for step in first["steps"])
        assert first["changed"] == 3  # the handbook is not needed
        edit(folder / "docs/handbook/leave.md", "Thirty", "Forty")
        edit(folder / "docs/memos/one.md", "seven", "eight")
        second = watch.sync()
        assert (second["changed"], second["retired"]) == (1, [])
        assert [s["ref"] for s in second["steps"] if s["made"]] == ["data/memos", "knowledge/desk"]
        write(folder, {"docs/memos/broken.pdf": "no pdf"})
        assert watch.sync()["steps"][0]["summary"]["skipped"] == 1
        made.write_text("", encoding="utf-8")
        assert watch.sync()["error"]["code"] == "bad_project"


def test_a_first_run_that_fails_ends_it(made: Path):
    done = inhouse("run", "data/nothing", "--watch", cwd=made.parent)
    assert done.returncode == 2
    assert "There is no entry 'data/nothing'" in done.stderr


def test_what_is_followed(tmp_path: Path, tiny_weights: Path):
    file = small_project(tmp_path / "project", tiny_weights)
    folder = file.parent
    edit(file, "{from: ./docs/handbook}", '{from: ["./**/*.md", "./later/*.txt"]}')
    edit(file, "project: small\n", "project: small\nstore: ./kept\n")
    write(folder, {".gitignore": "build/\n", ".git/HEAD": "", "build/page.md": "# Built\n"})
    with opened(file) as project:
        followed = following(project)
        before = followed.look()
        names = {path.relative_to(folder).as_posix() for path in before}
        docs = {"docs/handbook/leave.md", "docs/memos/one.md", "docs/memos/two.md"}
        assert names == {"inhouse.yaml", *docs}
        write(folder, {"build/page.md": "# Again\n", "kept/page.md": "# Ours\n", "a.txt": "no"})
        assert followed.look() == before
        write(folder, {"later/one.txt": "One.", "docs/memos/one.md": "# Other\n"})
        (folder / "docs/memos/two.md").unlink()
        assert changed(before, followed.wait(before)) == 3
        assert following(project, "models/minilm/openvino-f16").patterns == ()
        assert following(project, "endpoints/desk").patterns == ("./docs/memos",)


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Follow ``docs/handbook``; what is returned begins to wait, and a change ends it at last."""
    monkeypatch.setattr(watching, "TICK_SECONDS", 0.1)
    follow = Following(
        tmp_path / "inhouse.yaml", tmp_path, tmp_path / ".inhouse", ("docs/handbook",)
    )
    waits: list[Future[Snapshot]] = []

    def begin() -> Future[Snapshot]:
        waits.append(threads.submit(follow.wait, follow.look()))
        time.sleep(0.5)
        return waits[-1]

    with ThreadPoolExecutor() as threads:
        yield begin
        write(tmp_path, {"inhouse.yaml": "changed\n"})


def test_a_folder_that_comes_back_slowly_is_followed(
    tmp_path: Path, followed: Callable[[], Future[Snapshot]]
):
    waiting = followed()
    for folder in ("docs", "docs/handbook"):
        (tmp_path / folder).mkdir()
        time.sleep(0.5)
    write(tmp_path, {"docs/handbook/one.md": "# One\n"})
    assert tmp_path / "docs/handbook/one.md" in waiting.result(10)


def test_a_link_that_leads_elsewhere_is_followed(
    tmp_path: Path, followed: Callable[[], Future[Snapshot]]
):
    for name in ("old", "new"):
        (tmp_path / name / "handbook").mkdir(parents=True)
    (tmp_path / "docs").symlink_to("old")
    waiting = followed()
    (tmp_path / "aside").symlink_to("new")
    (tmp_path / "aside").replace(tmp_path / "docs")
    time.sleep(0.5)
    write(tmp_path / "new", {"handbook/one.md": "# One\n"})
    assert tmp_path / "docs/handbook/one.md" in waiting.result(10)
