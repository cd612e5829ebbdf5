"""Files outside the store: read again exactly when they may have changed."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inhouse.catalog import Catalog, sources


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Let every file count as settled, and return the list of those that were really read."""
    read: list[Path] = []
    real: Callable[[Path], str] = sources.sha256

    def counted(path: Path) -> str:
        read.append(path)
        return real(path)

    monkeypatch.setattr(sources, "sha256", counted)
    monkeypatch.setattr(sources, "SETTLED_SECONDS", -1.0)
    return read


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_an_unchanged_file_is_read_once(catalog: Catalog, tmp_path: Path, reads: list[Path]):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("one")
    b.write_text("two")
    for _ in range(3):
        assert catalog.fingerprint([b, a]).all() == [digest("two"), digest("one")]
    assert sorted(set(reads)) == [a, b]
    assert len(reads) == 2


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_change_of_the_same_size_is_seen(
    catalog: Catalog, tmp_path: Path, reads: list[Path], keep_time: bool
):
    file = tmp_path / "a"
    file.write_text("one")
    assert catalog.fingerprint([file]).all() == [digest("one")]
    before = file.stat()
    time.sleep(0.02)  # clocks of file systems tick every few milliseconds
    file.write_text("two")
    if keep_time:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert catalog.fingerprint([file]).all() == [digest("two")]
    assert len(reads) == 2


def test_a_touched_file_is_read_again(catalog: Catalog, tmp_path: Path, reads: list[Path]):
    file = tmp_path / "a"
    file.write_text("one")
    catalog.fingerprint([file])
    os.utime(file, (1, 2))
    assert catalog.fingerprint([file]).all() == [digest("one")]
    assert len(reads) == 2


def test_a_file_just_written_is_read_every_time(catalog: Catalog, tmp_path: Path):
    file = tmp_path / "a"
    for text in ("one", "two", "six"):
        file.write_text(text)
        assert catalog.fingerprint([file]).all() == [digest(text)]
    assert catalog.fingerprint([]).all() == []


def test_the_first_time_of_a_content_counts(catalog: Catalog, tmp_path: Path):
    root = tmp_path / "project"
    root.mkdir()

    def modified(path: str, text: str, at: float) -> float:
        (root / path).write_text(text)
        os.utime(root / path, (at, at))
        return catalog.modified([(path, digest(text))], root)[path]

    assert modified("a", "one", 1000.5) == 1000.5
    assert modified("a", "one", 2000) == 1000.5
    assert modified("a", "two", 3000) == 3000
    assert modified("a", "one", 4000) == 1000.5
    assert modified("b", "one", 5000) == 5000
    assert modified("b", "two", 0) == 0
    moved = root.rename(tmp_path / "moved")
    files = [("a", digest("one")), ("b", digest("one")), ("b", digest("gone"))]
    (moved / "b").unlink()
    assert list(catalog.modified(files[:2], moved).values()) == [1000.5, 5000]
    assert catalog.modified(files[2:], moved) == {"b": 0}
