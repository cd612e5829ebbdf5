"""What is found in a file that holds several documents or records, and what is left out of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LONGEST = 150
UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]")


@dataclass(frozen=True, slots=True)
class Part:
    """A document in a file: its title, empty if it has none, and its text as Markdown.

    `place` goes behind the path of the file, such as ``/Travel policy``; it is empty where the
    document is the whole file, whose time is its own then. `modified` is in seconds since 1970, 0.0
    if unknown.
    """

    title: str
    text: str
    place: str = ""
    modified: float = 0.0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not read, and why; `place` goes behind the path of the file."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Places:
    """Hands out the places of a file's documents by their names, each once.

    `_taken` holds of each place that is taken the last number that was put behind it.
    """

    _taken: dict[str, int] = field(default_factory=dict)

    def take(self, *names: str) -> str:
        """Return a place below the folders that all but the last of `names` call."""
        path = "/" + "/".join(_tame(name) for name in names)
        place, number = path, self._taken.get(path.casefold(), 1)
        while place.casefold() in self._taken:
            number += 1
            place = f"{path} {number}"
        self._taken[path.casefold()] = number
        self._taken.setdefault(place.casefold(), 1)
        return place


def _tame(name: str) -> str:
    """Return a name that is one step of a path and leads nowhere else."""
    name = " ".join(UNSAFE.sub("-", name).split())[:LONGEST]
    return name if name.strip(". ") else "untitled"
