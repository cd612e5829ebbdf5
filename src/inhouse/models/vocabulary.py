"""What each token of a tokenizer stands for, as bytes: half a character may be a token."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer

PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
BYTE = re.compile(r"<0x([0-9A-F]{2})>\Z")


class Vocabulary:
    """The tokens of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._added = tokenizer.get_added_tokens_decoder()

    def raw(self, token: int) -> bytes:
        """Return the bytes of a token; those of a special token are its name."""
        return self._tokens.get(token, b"")

    @cached_property
    def readable(self) -> bool:
        """Whether bytes are known: the tokenizer is of a kind that is understood here."""
        return self._kind != "other"

    @cached_property
    def spelled(self) -> list[bytes]:
        """The bytes that each token writes, by number; nothing for a special token."""
        count = max(self._tokens, default=-1) + 1
        special = {i for i, token in self._added.items() if token.special}
        return [b"" if i in special else self.raw(i) for i in range(count)]

    @cached_property
    def _kind(self) -> str:
        """Say how the decoder makes text of tokens: bytes as letters, or pieces with a mark."""
        found = {d["type"] for d in _flat(json.loads(self._tokenizer.to_str())["decoder"])}
        if "ByteLevel" in found:
            return "bytes"
        return "pieces" if "ByteFallback" in found else "other"

    @cached_property
    def _tokens(self) -> dict[int, bytes]:
        spell = {"bytes": _from_letters, "pieces": _from_piece}.get(self._kind, str.encode)
        tokens = {i: spell(text) for text, i in self._tokenizer.get_vocab().items()}
        return tokens | {i: token.content.encode() for i, token in self._added.items()}


def _flat(decoder: dict[str, Any] | None) -> list[dict[str, Any]]:
    if decoder is None:
        return []
    return [decoder, *(inner for part in decoder.get("decoders", []) for inner in _flat(part))]


def _from_letters(token: str) -> bytes:
    """Undo GPT-2's alphabet, which writes each byte as a letter (Radford et al., 2019)."""
    return bytes(LETTERS.get(letter, 0x3F) for letter in token)


def _from_piece(token: str) -> bytes:
    if match := BYTE.match(token):
        return bytes.fromhex(match[1])
    return token.replace("▁", " ").encode()


def _letters() -> dict[str, int]:
    others = [byte for byte in range(256) if byte not in PRINTABLE]
    return {chr(b): b for b in PRINTABLE} | {chr(256 + i): b for i, b in enumerate(others)}


LETTERS = _letters()
