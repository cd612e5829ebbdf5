"""Words that names, addresses and organisations are made of, to write texts and stand-ins with.

The lists hold examples, not everything there is: a tagger that is trained with them learns how
names look and where they stand, and has no list.
"""

from __future__ import annotations

from importlib.resources import files


def sections(file: str) -> dict[str, list[str]]:
    """Return the lines of each section of a text file of this room; ``#`` begins a remark."""
    found: dict[str, list[str]] = {}
    for line in files("inhouse.guard").joinpath(file).read_text("utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            current = found[line[1:-1]] = []
        elif line and not line.startswith("#"):
            current.append(line)
    return found


_LISTS = {name: "|".join(lines).split("|") for name, lines in sections("lists.txt").items()}

GIVEN = _LISTS["GIVEN"]
FAMILY = _LISTS["FAMILY"]
CITIES = _LISTS["CITIES"]
PLACE_PARTS = _LISTS["PLACE_PARTS"]
PLACE_ENDS = _LISTS["PLACE_ENDS"]
FOREIGN_PLACES = _LISTS["FOREIGN_PLACES"]
COUNTRIES = _LISTS["COUNTRIES"]
NATIONALITIES = _LISTS["NATIONALITIES"]
STREET_WORDS = _LISTS["STREET_WORDS"]
STREET_ENDS = _LISTS["STREET_ENDS"]
STREET_ROOTS = _LISTS["STREET_ROOTS"]
STREET_GLUED = _LISTS["STREET_GLUED"]
STREET_FORMS = _LISTS["STREET_FORMS"]
STATES = _LISTS["STATES"]
FIRM_WORDS = _LISTS["FIRM_WORDS"]
FIRM_FIELDS = _LISTS["FIRM_FIELDS"]
FIRM_ENDS = _LISTS["FIRM_ENDS"]
FIRM_STEMS = _LISTS["FIRM_STEMS"]
TITLES = _LISTS["TITLES"]
JOBS = _LISTS["JOBS"]
