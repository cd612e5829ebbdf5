"""Cut off at any moment, a run leaves a store that the next one finishes from."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_project import PROGRAM, copied, environment, inhouse, opened, small_project, write

from inhouse.core.artifact import Ref

PAGE = "# Page {0}\n\n" + "".join(
    f"## Part {i}\n\nThe number of part {i} on page {{0}} is {i}.\n\n" for i in range(40)
)


@contextmanager
def running(*words: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the program; whatever happens, it is gone at the end."""
    process = subprocess.Popen(
        [*PROGRAM, *words],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 60
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.002)


ANEW = "begins from the start: nothing was kept when it was interrupted"


@pytest.fixture
def long(tmp_path: Path, tiny_weights: Path) -> Path:
    """A project whose first data set takes a second or two to read."""
    file = small_project(tmp_path / "project", tiny_weights)
    write(file.parent, {f"docs/memos/page{i}.md": PAGE.format(i) for i in range(150)})
    return file


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_cut_off_in_the_middle_of_a_step(long: Path, how: signal.Signals):
    with opened(long) as project:
        step = project.steps("data/memos")[0]
        blobs = project.catalog.blobs
        with running("run", "data/memos", cwd=long.parent) as process:
            begun = blobs.root / "work" / step.recipe.version / ".rows.parquet.new"
            wait_for(begun.exists, process)
            with blobs.lock("commit"):  # so it cannot end before the signal reaches it
                process.send_signal(how)
                output, errors = process.communicate(timeout=60)
        if how is signal.SIGINT:
            assert process.returncode == 130
            kept = "What was done before is kept; go on with: inhouse run\n"
            assert errors.endswith(f"Stopped. data/memos {ANEW}. {kept}")
            assert "Traceback" not in output + errors
        assert project.catalog.find(step.recipe.ref) is None
        assert project.plan("data/memos").steps[0].reason == ANEW

    again = inhouse("run", "data/memos", cwd=long.parent)
    assert again.returncode == 0, again.stderr
    assert ANEW in again.stderr
    with opened(long) as project:
        made = project.catalog.get(step.recipe.ref)
        assert made.summary["documents"] == 152
        project.catalog.load(made.ref)
        assert not project.plan("data/memos").changes
        assert not project.catalog.blobs.unfinished_versions()


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.slow
def test_embedding_goes_on_where_it_was_killed(weights_store: Path, tmp_path: Path):

    folder = copied(weights_store, tmp_path / "project")
    write(folder, {f"docs/page{i}.md": PAGE.format(i) for i in range(40)})
    with opened(folder / "inhouse.yaml") as project:
        step = project.steps("knowledge/docs")[-1]
        work = project.catalog.root / "work" / step.recipe.version / "vectors.sqlite"

        def embedded() -> int:
            if not work.exists():
                return 0
            connection = sqlite3.connect(f"file:{work}?mode=ro", uri=True, timeout=10)
            try:
                return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])
            except sqlite3.OperationalError:  # its table is not there yet
                return 0
            finally:
                connection.close()

        with running("run", cwd=folder) as process:
            wait_for(lambda: embedded() >= 300, process)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
        kept = embedded()
        assert 300 <= kept < 1600
        assert step.path in [
            p.step.path
            for p in project.plan().steps
            if p.reason == "goes on where it was interrupted"
        ]
        project.run()
        summary = project.catalog.get(Ref.parse("knowledge/docs")).summary
        assert summary["passages"] == 1601
        # One page stood in the version before, and its passage is taken over from there.
        assert summary["embedded"] == 1601 - 1 - kept
        assert not project.plan().changes


@pytest.mark.slow
@pytest.mark.weights
def test_editing_one_document_of_two_embeds_its_sections_alone(weights_store: Path, tmp_path: Path):

    folder = copied(weights_store, tmp_path / "project")
    write(folder, {"docs/two.md": PAGE.format(2)})
    with opened(folder / "inhouse.yaml", "tests") as project:
        project.run()
        text = PAGE.format(2).replace("The number of part 7 ", "The size of part 7 ")
        write(folder, {"docs/two.md": text})
        project.run()
        summary = project.catalog.get(Ref.parse("knowledge/docs")).summary
        assert (summary["embedded"], summary["reused"]) == (1, 40)
        answered = project.ask("page", "What is the size of part 7 on page 2?")
        assert answered.model.startswith("models/base/openvino-int8@")
        assert answered.citations
