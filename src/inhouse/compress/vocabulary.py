"""A tokenizer cut down to the word pieces that some texts use.

Single letters and signs stay, so that what was never seen still falls into pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from inhouse.core.errors import BadInput

TOGETHER = 1000


def trimmed(tokenizer: Tokenizer, texts: Iterable[str]) -> tuple[Tokenizer, npt.NDArray[np.intp]]:
    """Return a smaller tokenizer, and of each of its pieces the number in the larger one.

    The unknown piece is the first; there are no special tokens, and what looks like one is text.

    Raises:
        BadInput: the tokenizer does not cut words into pieces (WordPiece).
    """
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.encode_special_tokens = True
    whole.no_truncation()
    about = json.loads(whole.to_str())
    model = about["model"]
    if model["type"] != "WordPiece":
        raise BadInput(
            f"The tokenizer is of the kind {model['type']}, and only WordPiece can be cut down.",
            "Start from an encoder such as minilm-l6.",
        )
    known, prefix = model["vocab"], model["continuing_subword_prefix"]
    special = {token["content"] for token in about["added_tokens"]}
    seen: set[int] = set()
    left = iter(texts)
    while some := list(islice(left, TOGETHER)):
        for encoding in whole.encode_batch_fast(some, add_special_tokens=False):
            seen.update(encoding.ids)
    used = {
        piece
        for piece, number in known.items()
        if number in seen or (len(piece.removeprefix(prefix)) == 1 and piece.isascii())
    }
    unknown = model["unk_token"]
    kept = [unknown, *sorted(used - special - {unknown}, key=lambda piece: known[piece])]
    model["vocab"] = {piece: place for place, piece in enumerate(kept)}
    about |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    return Tokenizer.from_str(json.dumps(about)), np.array([known[p] for p in kept], np.intp)
