"""How many bytes of text a token stands for: what makes figures of different tokenizers alike."""

from __future__ import annotations

from pathlib import Path

from inhouse.models.chat_format import load_tokenizer
from inhouse.train.tokens import Tokens


def bytes_of_token(tokens: Tokens, model: Path) -> float:
    """Return how many bytes of UTF-8 a token that is learnt stands for, on average.

    Special tokens stand for no text. At least one byte is taken to be there.
    """
    learnt = tokens.ids if tokens.loss is None else tokens.ids[tokens.loss]
    text = load_tokenizer(model).decode(learnt.tolist(), skip_special_tokens=True)
    return max(len(text.encode()), 1) / max(len(learnt), 1)
