"""Three sources of tokens from the data for benchmarks, and the shares they are mixed by."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from bench.harness.peer import PEERS
from inhouse.core.artifact import Ref
from inhouse.project.project import Project

SHARES = {"chats": 0.3, "handbooks": 0.5, "proposals": 0.2}
PROJECT = "project: bench\nmodels: {base: {from: smollm2-135m-instruct}}\n"


def tokens_of(data: Path) -> Mapping[str, NDArray[np.uint16]]:
    """Return the tokens of each source, one text after the other."""
    tokenizer = Tokenizer.from_file(str(base() / "tokenizer.json"))
    texts = {"chats": _chats(data), "handbooks": _handbooks(data), "proposals": _proposals(data)}
    found = {}
    for name, some in texts.items():
        encoded = tokenizer.encode_batch_fast(list(some), add_special_tokens=False)
        found[name] = np.concatenate([np.array(one.ids, np.uint16) for one in encoded])
    return found


def _chats(data: Path) -> Iterator[str]:
    with (data / "dialogues" / "sgd.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield "\n".join(turn["content"] for turn in json.loads(line)["messages"])


def _handbooks(data: Path) -> Iterator[str]:
    for name in ("handbook-18f", "handbook-sourcegraph"):
        with (data / name / "sections.jsonl").open(encoding="utf-8") as lines:
            yield from (json.loads(line)["text"] for line in lines)


def _proposals(data: Path) -> Iterator[str]:
    with gzip.open(data / "peps" / "peps.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            with suppress(json.JSONDecodeError):  # one line of the set is no JSON
                yield json.loads(line)["text"]


def base() -> Path:
    """Return the folder of SmolLM2-135M-Instruct as it was pulled."""
    folder = PEERS / "smollm2"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inhouse.yaml").write_text(PROJECT, encoding="utf-8")
    project = Project(folder / "inhouse.yaml", actor="bench")
    try:
        project.run()
        return project.catalog.load(Ref.parse("models/base")).folder
    finally:
        project.close()
