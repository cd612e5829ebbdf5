"""Zip files from elsewhere: what they hold, read within bounds and never unpacked to disk."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from inhouse.core.errors import BadInput
from inhouse.data.text import mebibytes

MOST = 100_000
ENTRY = b"PK\1\2"  # how the line of a file in the directory begins
LARGEST = 50 * 2**20
LARGEST_STREAM = 4 * 2**30
# Text shrinks twentyfold at best; what unpacks to more than this is made to fill memory.
MOST_SHRUNK = 200
SMALL = 2**20
BROKEN = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


class Broken(BadInput):
    """Bytes that are no zip file, or one that is damaged."""


class Archive:
    """The files in a zip; every way in is bounded, since their sizes are only claims."""

    def __init__(self, data: bytes) -> None:
        too_many = BadInput(f"It holds more than {MOST} files.", "Split it into parts.")
        # The directory is read whole. Files of zips within are counted here too, hence the room.
        if data.count(ENTRY) > 10 * MOST:
            raise too_many
        try:
            self._zip = ZipFile(io.BytesIO(data))
        except BROKEN as error:
            raise _broken(error) from error
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        if len(infos) > MOST:
            raise too_many
        self._infos = {info.filename: info for info in infos}

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The paths of the files in it, in their order."""
        return tuple(self._infos)

    def read(self, name: str) -> bytes:
        """Return a whole file.

        Raises:
            BadInput: it is broken, encrypted, larger than 50 MiB, or shrunk beyond belief.
        """
        with self.open(name, LARGEST) as stream:
            return stream.read(LARGEST)

    @contextmanager
    def open(self, name: str, largest: int = LARGEST_STREAM) -> Iterator[IO[bytes]]:
        """Open a file to be read bit by bit.

        Raises:
            BadInput: as for `read`, here and wherever the stream turns out to be broken.
        """
        _check(self._infos[name], largest)
        try:
            with self._zip.open(self._infos[name]) as stream:
                yield stream
        except BROKEN as error:
            raise _broken(error) from error

    def check_all(self) -> None:
        """Make sure that all files together can be unpacked in memory.

        Raises:
            BadInput: one is encrypted or shrunk beyond belief, or together they are too large.
        """
        for info in self._infos.values():
            _check(info, LARGEST * 4)
        if sum(info.file_size for info in self._infos.values()) > LARGEST * 4:
            raise BadInput(
                f"Unpacked it has more than {mebibytes(LARGEST * 4)}.", "Take pictures out of it."
            )


def _check(info: ZipInfo, largest: int) -> None:
    if info.flag_bits & 1:
        raise BadInput("It is encrypted.", "Save it without a password.")
    if info.file_size > largest:
        raise BadInput(
            f"Unpacked it has {mebibytes(info.file_size)}, more than the {mebibytes(largest)} that "
            "are read.",
            "Split it into parts.",
        )
    if info.file_size > MOST_SHRUNK * max(info.compress_size, SMALL // MOST_SHRUNK):
        raise BadInput(
            f"It would unpack to {MOST_SHRUNK} times its size.", "Export it again from its source."
        )


def _broken(error: BaseException) -> Broken:
    return Broken(
        f"It is a broken zip file: {error or 'it ends too early'}.",
        "Export it again from its source.",
    )
