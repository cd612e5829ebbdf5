"""What a language model is asked for new examples, and how its answer is read.

Whether what it wrote is any good is the business of `sieve`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from inhouse.core.nouns import Message
from inhouse.core.protocols import Sampling

SHOWN = 8
WANTED = 8
TEMPERATURE = 0.9
TOP_P = 0.95
LONGEST_ANSWER = 1024
# Fewer than English prose has, so that there is room in other languages too.
CHARACTERS_PER_TOKEN = 3
MARK = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,3}[.):]|#+)\s+|^\s*\d{1,3}[.)]\s*")
QUOTES = "\"'“”„«»`*"
ONE_EACH = "Write each on a line of its own, and nothing else."


@dataclass(frozen=True, slots=True)
class Request:
    """One request for new texts: `key` is its own, `label` the class asked for, empty if none."""

    key: str
    label: str
    messages: tuple[Message, ...]
    sampling: Sampling


def request(label: str, number: int, known: Sequence[str], seed: int) -> Request:
    """Return a request for texts like the known ones.

    Args:
        label: the class that they are of; empty for requests to an assistant.
        number: how many were made for the class before; each shows other texts.
        known: texts of the class.
        seed: makes chance the same each time.
    """
    key = f"{label}#{number}"
    chance = Random(f"{seed} {key}")
    shown = chance.sample(list(known), min(SHOWN, len(known)))
    lines = "\n".join(f"- {' '.join(text.split())}" for text in shown)
    what = f"texts of the category “{words(label)}”" if label else "requests to an assistant"
    prompt = (
        f"Here are {what}:\n{lines}\n\n"
        f"Write {WANTED} more of the same kind: other situations, other words, no copies. "
        f"{ONE_EACH}"
    )
    return Request(key, label, (Message("user", prompt),), _sampling(key, seed, shown, WANTED))


def answering(text: str, known: Sequence[str], seed: int) -> Request:
    """Return a request for the answer to a new text; `known` are answers, for their length."""
    key = f"answer {sha256(text.encode()).hexdigest()[:16]}"
    return Request(key, "", (Message("user", text),), _sampling(key, seed, known[:SHOWN], 2))


def _sampling(key: str, seed: int, like: Sequence[str], times: int) -> Sampling:
    longest = max(map(len, like), default=100)
    room = min(LONGEST_ANSWER, 32 + times * longest // CHARACTERS_PER_TOKEN)
    number = int.from_bytes(sha256(f"{seed} {key}".encode()).digest()[:4])
    return Sampling(max_tokens=room, temperature=TEMPERATURE, top_p=TOP_P, seed=number >> 1)


def words(label: str) -> str:
    """Return a label as people would say it."""
    return " ".join(re.sub(r"[_\-/]+", " ", label).split())


def texts_in(answer: str, *, cut: bool) -> list[str]:
    """Return the texts that an answer lists, one a line; a last one that was `cut` off goes."""
    lines = answer.splitlines()
    if cut:
        lines = lines[:-1]
    found = (MARK.sub("", line).strip().strip(QUOTES).strip() for line in lines)
    return [text for text in found if text and not text.endswith(":")]
