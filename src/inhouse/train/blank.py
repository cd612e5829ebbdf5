"""The stage that makes a language model which knows nothing: sizes, and weights by chance.

It is laid out like a pulled model, a Llama, so that all that trains, builds and serves takes it.
How large its parts are is said by `sizes`, and what its words are by `vocabulary`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.weight_files import read_json
from inhouse.train.embed import copy_beside
from inhouse.train.sizes import Sizes, sizes_of
from inhouse.train.vocabulary import END, END_OF_TURN, SPECIAL

VOCABULARY = "vocabulary"


@dataclass(frozen=True, slots=True)
class Blank:
    """How large it is.

    Args:
        parameters: about how many it has.
        words: how many words it is made for; fewer come if its vocabulary has fewer.
        context: how many tokens it reads at most.
    """

    parameters: int
    words: int
    context: int

    def __post_init__(self) -> None:
        if self.context < 2:
            raise BadInput("A model reads 2 tokens at least.", "Correct 'length'.")

    @property
    def sizes(self) -> Sizes:
        """The sizes of its parts."""
        return sizes_of(self.parameters, self.words)

    @property
    def shown(self) -> str:
        """What it is, in a word."""
        own = self.sizes
        return (
            f"{own.parameters / 1e6:.1f} million parameters, {own.layers} layers of {own.width}, "
            f"up to {own.words:,} words"
        )

    def config(self, words: int) -> dict[str, Any]:
        """Return the settings of the model, as transformers knows them."""
        own = self.sizes
        return {
            "vocab_size": words,
            "hidden_size": own.width,
            "intermediate_size": own.inner,
            "num_hidden_layers": own.layers,
            "num_attention_heads": own.heads,
            "num_key_value_heads": own.heads,
            "max_position_embeddings": self.context,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": [SPECIAL.index(END), SPECIAL.index(END_OF_TURN)],
            "pad_token_id": SPECIAL.index(END),
        }


def run(spec: Blank, inputs: Inputs, ctx: Context) -> Result:
    """Write the model, with the input `vocabulary` beside it, into ``ctx.work``."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from inhouse.train.language_model import save_model

    folder = inputs[VOCABULARY].folder
    copy_beside(folder, ctx.work)
    words = read_json(folder / "config.json")["vocab_size"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ctx.seed)
        model = LlamaForCausalLM(LlamaConfig(**spec.config(words)))
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(ctx.work)
    save_model(model, ctx.work)
    return Result(
        {
            "kind": "language",
            "format": "safetensors",
            "architecture": "llama",
            "parameters": model.num_parameters(),
            "licence": "",
            "context_tokens": spec.context,
        }
    )


STAGE = Stage("train.blank", 1, run)
