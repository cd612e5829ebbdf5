"""Content-addressed files on a local disk: written once, verified whenever they are loaded.

It knows digests and folders, not artifacts: what is needed and by whom is the catalog's
business.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from inhouse.core.artifact import File, digest_of
from inhouse.core.errors import Corrupt, StoreError

DISK_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.ENOTDIR,
)
OS_ERROR = re.compile(r"\(os error (\d+)\)")


class Blobs:
    """A folder of files named by their sha256, and folders of hard links that show them by name.

    ``blobs/ab/abcd…`` holds the bytes; ``folders/DIGEST/`` shows the files of one artifact;
    ``work/VERSION/`` is where an artifact is being made; ``locks/`` holds what keeps two
    processes from making the same thing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[str, object] = {}
        for name in ("blobs", "folders", "work", "locks"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Return where the bytes with that digest lie, or would lie."""
        return self.root / "blobs" / digest[:2] / digest

    def work(self, version: str) -> Path:
        """Return the folder in which a version is made, creating it."""
        folder = self.root / "work" / version
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
            for path in folder.rglob("*"):
                # Cut off after `keep`: the stage must not write into a blob, but it must write.
                if path.is_file() and _kept(path):
                    aside = folder.with_name(f".{version}.own")
                    shutil.copyfile(path, aside)
                    aside.replace(path)
        return folder

    def unfinished(self, version: str) -> bool:
        """Say whether somebody began to make a version and was cut off, or is still at it."""
        return (self.root / "work" / version).is_dir()

    def unfinished_versions(self) -> list[str]:
        """Return the versions that somebody began to make."""
        return [folder.name for folder in (self.root / "work").iterdir() if folder.is_dir()]

    def lock(self, name: str) -> FileLock:
        """Return a lock between processes; a killed process lets go of it."""
        return FileLock(self.root / "locks" / f"{name}.lock")

    def whole(self, files: Mapping[str, File]) -> bool:
        """Say whether all files are there with the right sizes. Digests are checked on load."""
        for file in files.values():
            try:
                if self.path(file.digest).stat().st_size != file.size:
                    return False
            except FileNotFoundError:
                return False
        return True

    def measure(self, folder: Path, leave_out: Collection[str] = ()) -> dict[str, File]:
        """Flush a folder's files to disk and return their digests and sizes by relative path."""
        found = {}
        with disk_errors(folder):
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                relative = path.relative_to(folder).as_posix()
                if relative in leave_out:
                    continue
                _flush(path)
                found[relative] = File(sha256(path), path.stat().st_size)
        return found

    def keep(self, folder: Path, files: Mapping[str, File]) -> None:
        """Keep measured files. The folder stays as it is, so that a crash loses nothing."""
        with disk_errors(folder):
            touched = set()
            for relative, file in files.items():
                target = self.path(file.digest)
                target.parent.mkdir(exist_ok=True)
                if not target.exists() or target.stat().st_size != file.size:
                    _link(folder / relative, target)
                target.chmod(0o444)
                touched.add(target.parent)
            for parent in touched | {self.root / "blobs"}:
                _flush(parent)

    def show(self, files: Mapping[str, File], *, again: bool = True) -> Path:
        """Verify an artifact's files and return a folder that shows them by name.

        Without `again`, files that this process has verified once, and that nobody has touched
        since, are not read another time.

        Raises:
            Corrupt: a file is missing or its bytes have changed; changed bytes are moved aside.
        """
        digest = digest_of(files)
        folder = self.root / "folders" / digest
        if not again and self._verified.get(digest, ()) == _touched(folder, files):
            return folder
        for relative, file in files.items():
            self.verify(relative, file)
        with self.lock("commit"):  # one at a time, and not while `collect` takes blobs away
            if not self.whole(files):
                raise Corrupt(
                    f"{folder} was collected while it was being opened.",
                    "Run `inhouse run` to make it again.",
                )
            if not self._shows(folder, files):
                self._lay_out(folder, files)
            if not again:
                self._verified[digest] = _touched(folder, files)
        return folder

    def verify(self, name: str, file: File) -> None:
        """Check that the bytes of a file still have their digest.

        Raises:
            Corrupt: they do not, or they are missing.
        """
        path = self.path(file.digest)
        with contextlib.suppress(FileNotFoundError):
            if sha256(path) == file.digest:
                return
            # Out of the way, so that making the artifact again heals it.
            path.rename(path.with_suffix(".damaged"))
        raise Corrupt(
            f"The stored bytes of {name} ({file.digest[:8]}) are missing or damaged.",
            "Run `inhouse run` to make it again.",
        )

    def discard(self, version: str, *, dry: bool = False) -> int:
        """Remove the folder in which a version was made; return the bytes freed."""
        folder = self.root / "work" / version
        files = [path.stat() for path in folder.rglob("*") if path.is_file()]
        if not dry:
            shutil.rmtree(folder, ignore_errors=True)
        return sum(stat.st_size for stat in files if stat.st_nlink == 1)

    def remove(self, digests: Collection[str], shown: str = "") -> None:
        """Remove blobs, also damaged ones, and the folder that shows them under a digest."""
        for digest in digests:
            for blob in self.path(digest).parent.glob(f"{digest}*"):
                blob.unlink()
        folder = self.root / "folders" / shown
        if digests and shown and folder.is_dir():
            shutil.rmtree(folder)

    def sweep(self, needed: Collection[str], shown: Collection[str], *, dry: bool) -> int:
        """Remove blobs not in `needed` and folders not in `shown`; return the bytes freed."""
        freed = 0
        for blob in (self.root / "blobs").glob("*/*"):
            if blob.name not in needed:
                freed += blob.stat().st_size
                if not dry:
                    blob.unlink()
        if not dry:
            for folder in (self.root / "folders").iterdir():
                if folder.name not in shown:
                    shutil.rmtree(folder, ignore_errors=True)
        return freed

    def sweep_locks(self, *, but: str) -> None:
        """Remove the files of locks that nobody holds; whoever waits for one tries it anew."""
        for file in (self.root / "locks").glob("*.lock"):
            if file.stem != but:
                with contextlib.suppress(Timeout, OSError), FileLock(file, timeout=0):
                    file.unlink()

    def _shows(self, folder: Path, files: Mapping[str, File]) -> bool:
        """Say whether a folder shows the blobs themselves, or equal copies, and nothing else."""
        if not folder.is_dir():
            return False
        there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
        return there == files.keys() and all(
            (shown := folder / relative).is_file()
            and (shown.samefile(self.path(file.digest)) or sha256(shown) == file.digest)
            for relative, file in files.items()
        )

    def _lay_out(self, folder: Path, files: Mapping[str, File]) -> None:
        aside = folder.with_name(f".{folder.name}")
        with disk_errors(folder):
            for old in (aside, folder):
                shutil.rmtree(old, ignore_errors=True)
            aside.mkdir()
            for relative, file in files.items():
                target = aside / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(self.path(file.digest), target)
            aside.rename(folder)


@contextlib.contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a sentence.

    Raises:
        StoreError: the disk is full, over quota or read-only.
    """
    try:
        yield
    except Exception as error:
        number = _errno(error)
        if number not in DISK_ERRORS:
            raise
        path = getattr(error, "filename", None) or place
        raise StoreError(
            f"{path} cannot be used: {os.strerror(number)}.",
            "Free some space or mend the permissions and run again; finished work is kept.",
        ) from error


def _errno(error: Exception) -> int:
    """Return the system's number of an error; safetensors has it in the words of its own."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = OS_ERROR.search(str(error)) if type(error).__name__ == "SafetensorError" else None
    return int(found[1]) if found else 0


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _touched(folder: Path, files: Mapping[str, File]) -> list[tuple[int, ...]] | None:
    """Return what the disk says of files, which is another thing once somebody has touched one."""
    try:
        found = [(folder / relative).stat() for relative in files]
    except FileNotFoundError:
        return None
    # The time of change cannot be set by hand; Windows has none, but that of the last writing.
    return [(it.st_ino, it.st_size, it.st_ctime_ns, it.st_mtime_ns) for it in found]


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders, and writes their entries through
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`.

    It is a copy where the disk knows no hard links, and of a file behind a symbolic link, since
    that file is somebody else's to change.
    """
    target.unlink(missing_ok=True)
    if not source.is_symlink():
        try:
            os.link(source, target)
            return
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK):
                raise
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    shutil.copyfile(source, aside)
    _flush(aside)
    aside.rename(target)


def _kept(path: Path) -> bool:
    stat = path.stat()
    return stat.st_nlink > 1 or not stat.st_mode & 0o200
