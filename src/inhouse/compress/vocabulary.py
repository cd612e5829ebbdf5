"""A tokenizer cut down to the word pieces that some texts use.

Single letters and signs stay, so that what was never seen still falls into pieces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from inhouse.core.errors import BadInput

TOGETHER = 1000
UNUSED = re.compile(r"\[[^]]+\]")
"""Special tokens, and rooms for more of them."""


def trimmed(
    tokenizer: Tokenizer, texts: Iterable[str], *, common: int = 0, special: bool = False
) -> tuple[Tokenizer, npt.NDArray[np.intp]]:
    """Return a smaller tokenizer, and of each of its pieces the number in the larger one.

    The unknown piece is the first. The `common` first pieces stay too: a vocabulary as BERT has it
    begins with the most frequent. With `special`, the special tokens stay and are put around a text
    as before; without, there are none, and what looks like one is text.

    Raises:
        BadInput: the tokenizer does not cut words into pieces (WordPiece) as BERT does.
    """
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.encode_special_tokens = True
    whole.no_truncation()
    about = json.loads(whole.to_str())
    model = about["model"]
    _check(about)
    known, prefix = model["vocab"], model["continuing_subword_prefix"]
    extra = {token["content"] for token in about["added_tokens"]}
    seen: set[int] = set()
    left = iter(texts)
    while some := list(islice(left, TOGETHER)):
        for encoding in whole.encode_batch_fast(some, add_special_tokens=False):
            seen.update(encoding.ids)
    used = {
        piece
        for piece, number in known.items()
        if number in seen
        or (number < common and not UNUSED.fullmatch(piece))
        or (len(piece.removeprefix(prefix)) == 1 and piece.isascii())
    }
    unknown = model["unk_token"]
    used = used | extra if special else used - extra
    kept = [unknown, *sorted(used - {unknown}, key=lambda piece: known[piece])]
    model["vocab"] = {piece: place for place, piece in enumerate(kept)}
    about |= {"truncation": None, "padding": None}
    if special:
        _renumbered(about, model["vocab"])
    else:
        about |= {"added_tokens": [], "post_processor": None}
    return Tokenizer.from_str(json.dumps(about)), np.array([known[p] for p in kept], np.intp)


def _check(about: Mapping[str, Any]) -> None:
    model, parts = about["model"], (about["normalizer"] or {}, about["pre_tokenizer"] or {})
    kinds = (model["type"], *(part.get("type") for part in parts))
    if kinds != ("WordPiece", "BertNormalizer", "BertPreTokenizer"):
        raise BadInput(
            f"The tokenizer is of the kind {model['type']}, and only WordPiece as BERT has it can "
            "be cut down.",
            "Start from an encoder such as minilm-l6.",
        )


def _renumbered(about: dict[str, Any], vocabulary: Mapping[str, int]) -> None:
    """Give the special tokens their new numbers wherever a tokenizer file names them."""
    for token in about["added_tokens"]:
        token["id"] = vocabulary[token["content"]]
    last = about["post_processor"]
    if last["type"] == "TemplateProcessing":
        for token in last["special_tokens"].values():
            token["ids"] = [vocabulary[name] for name in token["tokens"]]
    else:
        for end in ("sep", "cls"):
            last[end][1] = vocabulary[last[end][0]]
