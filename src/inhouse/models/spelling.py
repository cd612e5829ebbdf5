"""How a model's texts are spelt: by which tokenizer and which chat template, as digests.

A model that has learnt is of use only where its texts are spelt as they were in training. What
spells them is the business of `chat_format`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from inhouse.core.artifact import Artifact
from inhouse.core.errors import BadInput
from inhouse.models.chat_format import TEMPLATE, special_texts

WHAT = {"tokenizer": "tokenizer", "template": "chat template"}


@dataclass(frozen=True, slots=True)
class Spelling:
    """Digests of the tokenizer with its special tokens, and of the chat template, "" for none."""

    tokenizer: str
    template: str


def spelling_of(folder: Path) -> Spelling:
    """Return how a model in a folder spells."""
    hashed = hashlib.sha256()
    for part in (
        (folder / "tokenizer.json").read_bytes(),
        json.dumps(special_texts(folder), sort_keys=True).encode(),
    ):
        hashed.update(hashlib.sha256(part).digest())
    template = folder / TEMPLATE
    return Spelling(
        hashed.hexdigest(),
        hashlib.sha256(template.read_bytes()).hexdigest() if template.is_file() else "",
    )


def check_spelling(learnt: Artifact, folder: Path) -> None:
    """Make sure that a folder spells as a model learnt; one that does not say how is let be.

    Raises:
        BadInput: it has another tokenizer, or another chat template.
    """
    if "template" not in learnt.summary:
        return
    found = spelling_of(folder)
    for name, what in WHAT.items():
        if learnt.summary[name] != getattr(found, name):
            raise BadInput(
                f"{learnt.ref} learnt with another {what} than it would be given.",
                "Train it again on the weights that it is to be added to.",
            )
