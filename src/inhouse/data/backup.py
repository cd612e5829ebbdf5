"""A Confluence space as an XML backup: its current pages and blog posts, in storage format.

The storage format itself is the business of `storage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO
from xml.parsers import expat

from inhouse.core.errors import BadInput
from inhouse.data.archive import LARGEST, Archive
from inhouse.data.confluence import not_read
from inhouse.data.dates import moment
from inhouse.data.parts import LeftOut, Part, Places
from inhouse.data.storage import read_storage

ENTITIES = "entities.xml"
OWN = ("exportDescriptor.properties", ENTITIES)
CHUNK = 2**16
KINDS = ("Page", "BlogPost", "BodyContent")
STORAGE = "2"  # the type of a body; the others are wiki markup of old and drafts
DEEPEST = 100


def is_backup(archive: Archive) -> bool:
    """Tell whether it holds the file in which Confluence keeps all of a space."""
    return ENTITIES in archive.names


def read_backup(archive: Archive) -> Iterator[Part | LeftOut]:
    """Yield the current pages, no drafts and nothing that was thrown away.

    The file is read twice, since bodies may stand before or behind their pages and all of them
    need not fit in memory.

    Raises:
        BadInput: the XML is broken, or declares a document type or entities.
    """
    pages: dict[str, tuple[str, float]] = {}
    for found in _objects(archive, bodies=False):
        if found.kind != "BodyContent" and _is_current(found.values):
            about = found.values.get("title", "").strip(), _modified(found.values)
            pages[found.values.get("id", "")] = about
    places = Places()
    for found in _objects(archive, bodies=True):
        page = found.values.get("content", "")
        if found.kind != "BodyContent" or page not in pages:
            continue
        title, modified = pages.pop(page)
        if found.values.get("bodyType", STORAGE) != STORAGE:
            yield LeftOut(places.take(title), "It is in wiki markup of old. Edit and save it once.")
            continue
        try:
            text = read_storage(found.values.get("body", ""))
            yield Part(title, text, places.take(title), modified)
        except BadInput as unfit:
            yield LeftOut(places.take(title), str(unfit))
    for title, _ in pages.values():
        yield LeftOut(places.take(title), "It has no text. Leave it out of the source.")
    yield from not_read(sum(PurePosixPath(name).name not in OWN for name in archive.names))


def _is_current(values: Mapping[str, str]) -> bool:
    old = values.get("originalVersion") or values.get("originalVersionId")
    return values.get("contentStatus", "current") == "current" and not old


def _modified(values: Mapping[str, str]) -> float:
    return moment(values.get("lastModificationDate") or values.get("creationDate", ""))


@dataclass(slots=True)
class _Object:
    """One object of the backup: its class, and its properties as text."""

    kind: str
    values: dict[str, str] = field(default_factory=dict)


def _objects(archive: Archive, *, bodies: bool) -> Iterator[_Object]:
    """Yield the objects of the kinds that count, one at a time."""
    with archive.open(ENTITIES) as stream:
        yield from _Reader(bodies).objects(stream)


class _Reader:
    """Gathers objects from the events of the XML parser.

    A property that refers to another object has its id as its value.
    """

    def __init__(self, bodies: bool) -> None:
        self._bodies = bodies
        self._path: list[tuple[str, str]] = []
        self._current: _Object | None = None
        self._done: list[_Object] = []
        self._words: list[str] = []
        self._size = 0

    def objects(self, stream: IO[bytes]) -> Iterator[_Object]:
        """Yield the objects in the order in which they end.

        Raises:
            BadInput: the XML is broken, nested too deep, or declares a type or entities.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        try:
            for chunk in iter(_reading(stream), b""):
                parser.Parse(chunk, False)
                yield from self._done
                self._done.clear()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise BadInput(f"{ENTITIES} is broken: {error}.", "Export the space again.") from error
        yield from self._done

    def _start(self, tag: str, given: dict[str, str]) -> None:
        if len(self._path) > DEEPEST:
            raise BadInput(f"{ENTITIES} is nested too deep.", "Export the space again.")
        if tag == "object" and len(self._path) == 1:
            self._current = _Object(given.get("class", ""))
            if self._current.kind not in KINDS:
                self._current = None
        self._path.append((tag, given.get("name", "")))
        self._words, self._size = [], 0

    def _text(self, text: str) -> None:
        if self._current is not None and (self._bodies or self._path[-1][1] != "body"):
            self._size += len(text)
            if self._size > LARGEST:
                raise BadInput("A page has more text than is read.", "Split the page.")
            self._words.append(text)

    def _end(self, tag: str) -> None:
        found, depth = self._current, len(self._path)
        # The name of a value is its own, or that of the property for the id inside of it.
        name = self._path[-1][1]
        if found and tag == "id" and depth == 4 and self._path[2][0] == "property":
            name = self._path[2][1]
        if found and (depth == 3 or name != self._path[-1][1]):
            found.values.setdefault(name, "".join(self._words).strip())
        if found and tag == "object" and depth == 2:
            self._done.append(found)
            self._current = None
        self._path.pop()
        self._words = []


def _reading(stream: IO[bytes]) -> Callable[[], bytes]:
    return lambda: stream.read(CHUNK)


def _refuse(*_: object) -> None:
    raise BadInput(
        f"{ENTITIES} declares a document type or entities.", "Export the space again, unchanged."
    )
