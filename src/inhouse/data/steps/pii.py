"""Finds personal data in rows and notes how much of which type, or hides it as well.

What was found is counted and never written down. How it is found is the business of the guard.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from inhouse.core.errors import BadInput
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Verdict
from inhouse.guard.finding import PERSONAL, check_types

if TYPE_CHECKING:
    from inhouse.guard.guard import Guard
    from inhouse.guard.hiding import StandIn

CODE = 3
NEEDS: tuple[str, ...] = ()
KEY = "pii.key"


@dataclass(frozen=True, slots=True)
class Pii:
    """What becomes of personal data, which types count, and how sure a finding has to be.

    With `label`, what is found and stays adds to the label of the data set: so it is unless it is
    said otherwise.
    """

    how: Literal["find", "mask", "pseudonymise", "redact"] = "find"
    types: tuple[str, ...] = PERSONAL
    least: float = field(default=0.5, metadata={"least": 0, "most": 1})
    label: bool | None = None


def read(value: object) -> Pii:
    """Return the settings of ``{pii: mask}`` or ``{pii: {how: mask, types: [email, card]}}``."""
    settings = read_settings(Pii, value, main="how")
    check_types(settings.types)
    stays = settings.how == "find"
    if settings.label and not stays:
        raise BadInput(
            "what is hidden adds nothing to a label.",
            "Take 'label' out, or let another step look again: [{pii: mask}, {pii: find}].",
        )
    return replace(settings, label=stays if settings.label is None else settings.label)


def start(settings: Pii, given: Given) -> PersonalData:
    """Make the step ready for work."""
    from inhouse.guard import guard, hiding

    found = guard.built_in(frozenset(settings.types), least=settings.least)
    match settings.how:
        case "find":
            return PersonalData(found, None)
        case "mask":
            return PersonalData(found, hiding.mask)
        case "redact":
            return PersonalData(found, hiding.redact)
        case "pseudonymise":
            from inhouse.guard.standins import StandIns

            return PersonalData(found, StandIns(_key(given.folder)))


def _key(folder: Path) -> bytes:
    """Return the key of this run: a run that goes on has the same one, and no other ever has."""
    file = folder / KEY
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".new")
        aside.write_bytes(secrets.token_bytes(32))
        os.replace(aside, file)
    return file.read_bytes()


class PersonalData:
    """Notes what is found in each row; with something to put in its place, hides it."""

    def __init__(self, guard: Guard, stand_in: StandIn | None) -> None:
        self._guard, self._stand_in = guard, stand_in

    def judge(self, batch: Batch) -> Verdict:
        """Count what is in the rows, by type; hide it if that is asked for."""
        from inhouse.guard.hiding import hide_all, look

        rows = batch.parts
        texts = list(dict.fromkeys(text for parts in rows for text in parts))
        known = dict(zip(texts, look(texts, self._guard), strict=True))
        notes = [
            Note(row, kind, str(count))
            for row, parts in enumerate(rows)
            for kind, count in sorted(
                Counter(f.type for text in parts for f in known[text]).items()
            )
        ]
        if self._stand_in is None:
            return Verdict(flagged=notes)
        hidden = partial(hide_all, guard=self._guard, stand_in=self._stand_in, known=known)
        return Verdict(flagged=notes, rows=batch.with_texts(hidden))
