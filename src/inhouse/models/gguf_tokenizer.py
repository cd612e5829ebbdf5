"""Makes a Hugging Face tokenizer and chat template out of the metadata of a GGUF file.

Byte-level BPE only, with the splitting rules that ``tokenizer.ggml.pre`` names; the result agrees
with llama.cpp, spaces before digits included. SentencePiece vocabularies are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from inhouse.core.errors import BadInput
from inhouse.models.gguf_file import GgufFile

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # fmt: skip
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DIGITS = "digits"
SPLITS = {
    "gpt-2": (GPT2,),
    "smollm": (DIGITS, GPT2),
    "llama-bpe": (LLAMA3,),
    "qwen2": (LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"),),
}
"""``tokenizer.ggml.pre`` -> how text is split before BPE: a regular expression, or each digit."""

CONTROL, USER_DEFINED = 3, 4


def write_tokenizer(file: GgufFile, folder: Path) -> None:
    """Write ``tokenizer.json``, ``tokenizer_config.json`` and, if any, ``chat_template.jinja``.

    Raises:
        BadInput: the vocabulary is of a kind that cannot be rebuilt.
    """
    build_tokenizer(file.metadata).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_bytes(orjson.dumps(_description(file.metadata)))
    template = file.metadata.get("tokenizer.chat_template")
    if template:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def build_tokenizer(metadata: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer that the metadata of a GGUF file describes.

    Raises:
        BadInput: the vocabulary is no byte-level BPE, or its splitting rules are unknown.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, processors

    kind, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
    if kind != "gpt2" or pre not in SPLITS:
        raise BadInput(
            f"The GGUF file has a tokenizer of the kind {kind}/{pre}, which cannot be rebuilt.",
            "Use the same model as safetensors, where tokenizer.json lies beside the weights.",
        )
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    types: list[int] = metadata["tokenizer.ggml.token_type"]
    merges = [tuple(m.split(" ", 1)) for m in metadata.get("tokenizer.ggml.merges", ())]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre == "llama-bpe")
    )
    tokenizer.pre_tokenizer = _pre_tokenizer(SPLITS[pre])
    tokenizer.decoder = decoders.ByteLevel()
    for flag, special in ((CONTROL, True), (USER_DEFINED, False)):
        added = [
            AddedToken(token, special=special, normalized=False)
            for token, of in zip(tokens, types, strict=True)
            if of == flag
        ]
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(added)
    first = metadata.get("tokenizer.ggml.bos_token_id")
    if metadata.get("tokenizer.ggml.add_bos_token") and first is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{tokens[first]} $A", special_tokens=[(tokens[first], first)]
        )
    return tokenizer


def _pre_tokenizer(splits: tuple[str, ...]) -> Any:  # noqa: ANN401
    from tokenizers import Regex, pre_tokenizers

    steps = [
        pre_tokenizers.Digits(individual_digits=True)
        if split == DIGITS
        else pre_tokenizers.Split(Regex(split), "isolated")
        for split in splits
    ]
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([*steps, last])


def _description(metadata: Mapping[str, Any]) -> dict[str, Any]:
    tokens = metadata["tokenizer.ggml.tokens"]
    names = {"bos": "bos_token", "eos": "eos_token", "padding": "pad_token", "unknown": "unk_token"}
    ids = {name: metadata.get(f"tokenizer.ggml.{kind}_token_id") for kind, name in names.items()}
    special = {name: tokens[i] for name, i in ids.items() if isinstance(i, int) and i < len(tokens)}
    return {"tokenizer_class": "PreTrainedTokenizerFast", **special}
