"""A tiny Llama with random weights, tokens for it, and a stage run on both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tokenizers import Tokenizer, models

from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.label import Label
from inhouse.core.stage import Context, Progress, Result, silent
from inhouse.models.chat_format import TEMPLATE
from inhouse.models.spelling import Spelling, spelling_of
from inhouse.train import language
from inhouse.train.language import Language
from inhouse.train.tokens import About, Tokenised, write_tokens

VOCABULARY = 64
DATA = "data/notes"


def tiny_llama(folder: Path, *, dropout: float = 0.0, tied: bool = True) -> Path:
    """Write a model as a pulled one lies there."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        tie_word_embeddings=tied, bos_token_id=0, eos_token_id=0, attention_dropout=dropout,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return spelt(folder)


def spelt(folder: Path) -> Path:
    """Write the tokenizer and the chat template of the model."""
    words = models.WordLevel({f"t{i}": i for i in range(VOCABULARY)}, "t0")
    Tokenizer(words).save(str(folder / "tokenizer.json"))
    (folder / TEMPLATE).write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    return folder


@cache
def spelling() -> Spelling:
    with TemporaryDirectory() as folder:
        return spelling_of(spelt(Path(folder)))


def about(base: Path | None = None, *, chats: bool = False, preferences: bool = False) -> About:
    """Return what tokens of a model are, if none is named of the tiny one."""
    own = spelling_of(base) if base else spelling()
    template = own.template if chats or preferences else ""
    return About(own.tokenizer, VOCABULARY, template, preferences=preferences)


def repeated(
    folder: Path, *, documents: int = 40, mask: bool = False, base: Path | None = None
) -> Path:
    """Write documents that say the same over and over; masked, only half of it is learnt."""
    folder.mkdir()
    draw = np.random.default_rng(3)
    pattern = draw.integers(1, VOCABULARY, 24)
    texts = [np.concatenate([np.tile(pattern, 2), [0]]) for _ in range(documents)]
    loss = np.arange(len(texts[0])) % 2 == 0 if mask else None
    rows = [Tokenised(f"{i}.md", f"{i:064x}", text, loss) for i, text in enumerate(texts)]
    write_tokens(folder, about(base), rows)
    return folder


def talks(folder: Path, *, many: int = 60) -> Path:
    """Write conversations of several lengths, of which the second half is learnt."""
    folder.mkdir()
    draw = np.random.default_rng(5)
    rows = []
    for number in range(many):
        half = int(draw.integers(3, 14))
        tokens = np.concatenate([np.arange(half) % 7 + 1, np.arange(half) % 5 + 20])
        rows.append(Tokenised(f"{number}", f"{number:064x}", tokens, np.arange(2 * half) >= half))
    write_tokens(folder, about(chats=True), rows)
    return folder


def opened(folder: Path, ref: str) -> Input:
    artifact = Artifact(
        ref=Ref.parse(ref), recipe="test", code=1, params={}, parents=(), digest="", files={},
        label=Label.OPEN, created=datetime(2026, 1, 1, tzinfo=UTC), actor="test", seconds=0.0,
        summary={"licence": "MIT"},
    )  # fmt: skip
    return Input(artifact, folder)


def trained(
    spec: Language,
    base: Path,
    sources: Mapping[str, Path],
    work: Path,
    *,
    progress: Progress = silent,
) -> Result:
    work.mkdir(exist_ok=True)
    inputs = {"base": opened(base, "models/tiny")}
    inputs |= {name: opened(folder, name) for name, folder in sources.items()}
    return language.STAGE.run(spec, inputs, Context(work, Actor("ana"), 0, progress))
