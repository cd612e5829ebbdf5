"""Trains the models of the guard: ``python -m inhouse.guard tagger FILE`` makes a tagger.

Without texts of your own it learns from texts written for it and, with ``--prose``, from ordinary
documents in which nothing is marked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from inhouse.core.errors import InhouseError
from inhouse.guard.marked import read_marked
from inhouse.guard.prose import plain
from inhouse.guard.training import Training, train
from inhouse.guard.writing import Marked, write


def main(words: Sequence[str] | None = None) -> int:
    """Train what the words ask for; return the exit code."""
    asked = _parser().parse_args(words)
    try:
        return int(asked.make(asked))
    except InhouseError as error:
        sys.stderr.write(f"{error.what}\n{error.fix}\n")
        return error.exit_code


def _tagger(asked: argparse.Namespace) -> int:
    texts: list[Marked] = [text for file in asked.marked for text in read_marked(file)]
    texts += write(asked.written, seed=asked.seed)
    pages = [page for folder in asked.prose for page in sorted(folder.rglob("*.md"))]
    texts += plain([page.read_text("utf-8") for page in pages], seed=asked.seed)
    how = Training(passes=asked.passes, caution=asked.caution, seed=asked.seed)
    tagger = train(texts, how, told=_told)
    tagger.save(asked.file, written=str(asked.written), texts=str(len(texts)))
    return 0


def _told(done: int, right: float) -> None:
    sys.stderr.write(f"pass {done}: {right:.1%} of the words marked rightly on the way\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inhouse.guard", description=__doc__)
    models = parser.add_subparsers(required=True, metavar="MODEL")
    tagger = models.add_parser("tagger", help="names, addresses, organisations, places")
    tagger.set_defaults(make=_tagger)
    tagger.add_argument("file", type=Path, help="where to write it (safetensors)")
    tagger.add_argument("--marked", type=Path, nargs="*", default=[], help="texts of yours (JSONL)")
    tagger.add_argument("--written", type=int, default=24_000, help="texts written for it")
    tagger.add_argument("--prose", type=Path, nargs="*", default=[], help="folders of plain pages")
    tagger.add_argument("--passes", type=int, default=5)
    tagger.add_argument("--caution", type=float, default=0.6, help="more finds more, wrongly too")
    tagger.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
