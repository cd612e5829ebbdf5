"""The stage that learns a vocabulary from a mix of documents: the tokenizer of a new model.

It is byte-level BPE, so that it writes any text, with ChatML's tokens and a chat template, so that
the model can learn from chats later. Weights for it are the business of `blank`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inhouse.catalog.rows import kind_of, read_rows
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END, TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (END, TURN, END_OF_TURN)
"""Their numbers are 0, 1 and 2."""
MOST = 100_000_000
"""Characters that are looked at; more change a vocabulary little."""
RARE = 10
"""What stands there less often becomes no word: a model could not learn it."""
TEMPLATE = """\
{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['role'] == 'assistant' %}
{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}
{%- else %}
{{ message['content'] + '<|im_end|>\\n' }}
{%- endif %}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}
{%- endif %}
"""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What to learn words from, and how many.

    Args:
        mix: each data set with its share, weights of any scale. If all are 0, each has as much as
            it holds.
        words: the most there may be, special tokens and the 256 bytes among them.
    """

    mix: tuple[tuple[str, float], ...]
    words: int

    def __post_init__(self) -> None:
        if self.words < 256 + len(SPECIAL):
            raise BadInput(f"{self.words} words are fewer than bytes.", "Take 512 or more.")


def run(spec: Vocabulary, inputs: Inputs, ctx: Context) -> Result:
    """Write a tokenizer and a chat template into ``ctx.work``.

    Raises:
        BadInput: a data set holds no documents, or nothing but empty ones.
    """
    folders = {name: inputs[name].folder for name, _ in spec.mix}
    drawn = _drawn(spec, folders, ctx.seed)
    characters = {name: int(sum(counts * sizes)) for name, (counts, sizes) in drawn.items()}
    ctx.progress(0, sum(characters.values()), "characters")
    tokenizer = _learnt(spec.words, _texts(folders, drawn))
    ctx.progress(sum(characters.values()), sum(characters.values()), "characters")
    words = tokenizer.get_vocab_size()
    tokenizer.save(str(ctx.work / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": END}
    _write_json(ctx.work / "tokenizer_config.json", settings)
    _write_json(ctx.work / "config.json", {"vocab_size": words})
    (ctx.work / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return Result({"kind": "vocabulary", "words": words, "characters": characters})


STAGE = Stage("train.vocabulary", 1, run)

Drawn = tuple[NDArray[np.int64], NDArray[np.int64]]


def _drawn(spec: Vocabulary, folders: Mapping[str, Path], seed: int) -> dict[str, Drawn]:
    """Return how often each document is looked at, and its characters, for each data set."""
    sizes = {name: _sizes(name, folder) for name, folder in folders.items()}
    held = {name: int(of.sum()) for name, of in sizes.items()}
    shares = dict(spec.mix) if any(share for _, share in spec.mix) else held
    budget = min(sum(held.values()), MOST) / sum(shares.values())
    return {name: (_counts(of, shares[name] * budget, seed), of) for name, of in sizes.items()}


def _sizes(name: str, folder: Path) -> NDArray[np.int64]:
    kind = kind_of(folder)
    if kind != "documents":
        raise BadInput(
            f"{name} holds {kind}, and words are learnt from documents.",
            "Name data sets of documents.",
        )
    found = np.array([len(row["text"]) for row in read_rows(folder, ["text"])], np.int64)
    if not found.sum():
        raise BadInput(f"{name} holds no text.", "Name data sets of documents with text.")
    return found


def _counts(sizes: NDArray[np.int64], wanted: float, seed: int) -> NDArray[np.int64]:
    """Return how often each document is taken so that all are about `wanted` characters."""
    whole, rest = divmod(wanted, int(sizes.sum()))
    order = np.random.default_rng(seed).permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    counts = np.full(len(sizes), int(whole), np.int64)
    counts[order[before + sizes[order] / 2 < rest]] += 1
    return counts


def _texts(folders: Mapping[str, Path], drawn: Mapping[str, Drawn]) -> Iterator[str]:
    for name, folder in folders.items():
        rows = read_rows(folder, ["text"])
        for row, count in zip(rows, drawn[name][0].tolist(), strict=True):
            yield from [row["text"]] * count


def _learnt(words: int, texts: Iterator[str]) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=words,
        min_frequency=RARE,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _write_json(file: Path, value: Mapping[str, object]) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
