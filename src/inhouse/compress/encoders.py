"""An encoder with its head made smaller: fewer words, fewer layers, a byte for each weight.

What comes out is laid out and served like any classifier that was built: by OpenVINO, without
torch. How fewer layers learn to do the work of all is the business of `depth`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from inhouse.compress.depth import Encoder, loaded
from inhouse.models import build, heads
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.embedder import TOGETHER
from inhouse.models.pull import context_tokens
from inhouse.models.small import Floats
from inhouse.models.weight_files import read_json
from inhouse.models.weights import Weights, open_weights

WORDS = "embeddings.word_embeddings.weight"
LAYER = "encoder.layer."
AT_ONCE = 256
NEEDLESS = ("pooler.", "embeddings.position_ids")


def words_of(folder: Path) -> tuple[Tokenizer, Floats]:
    """Return the tokenizer of an encoder, and the vector of each of its pieces."""
    weights = open_weights(folder)
    return load_tokenizer(folder), weights.take(WORDS if WORDS in weights else f"bert.{WORDS}")


def said_alone(folder: Path, pieces: npt.NDArray[np.intp]) -> Floats:
    """Return what an encoder makes of each piece by itself, float32 of shape [pieces, width].

    That tells more of a word than its vector at the entrance does (after Model2Vec, Tulkens and
    van Dongen, 2024).
    """
    import torch

    model, tokenizer = loaded(open_weights(folder)), load_tokenizer(folder)
    around = tokenizer.encode("").ids
    opening, closing = around[: len(around) // 2], around[len(around) // 2 :]
    rows = torch.tensor([[*opening, int(piece), *closing] for piece in pieces])
    with torch.inference_mode():
        found = [model(input_ids=some).last_hidden_state.mean(1) for some in rows.split(AT_ONCE)]
        return np.asarray(torch.cat(found).numpy(), np.float32)


def layers_of(folder: Path) -> int:
    """Return how many layers an encoder has."""
    found: int = read_json(folder / "config.json")["num_hidden_layers"]
    return found


def bytes_of_a_layer(folder: Path) -> int:
    """Return the bytes of the matrices of a layer, one for each weight."""
    config = read_json(folder / "config.json")
    width: int = config["hidden_size"]
    inner: int = config["intermediate_size"]
    return 4 * width * width + 2 * width * inner


def half(layers: int) -> list[int]:
    """Return half of the layers, the first and the last among them: of 6 the layers 0, 2 and 5."""
    return [round(n) for n in np.linspace(0, layers - 1, max(layers // 2, 1)).tolist()]


def cut(whole: Weights, rows: npt.NDArray[np.intp], layers: Sequence[int]) -> Weights:
    """Return an encoder with some of the words and layers of a whole one.

    Args:
        whole: the encoder.
        rows: the words that stay, by their number in the whole encoder; the padding among them.
        layers: the layers that stay.
    """
    prefix = "" if WORDS in whole else "bert."
    stays = {f"{LAYER}{old}.": f"{LAYER}{new}." for new, old in enumerate(layers)}
    names = {}
    for name in whole.names:
        own = name.removeprefix(prefix)
        if own.startswith(LAYER):
            start = ".".join(own.split(".")[:3]) + "."
            if start in stays:
                names[own.replace(start, stays[start], 1)] = name
        elif not own.startswith(NEEDLESS):
            names[own] = name

    def read(name: str) -> npt.NDArray[np.float32]:
        found = whole.take(names[name])
        return found[rows] if name == WORDS else found

    shapes = {own: whole.shape(name) for own, name in names.items()}
    shapes[WORDS] = (len(rows), shapes[WORDS][1])
    padding = whole.config.get("pad_token_id") or 0
    config = dict(whole.config) | {
        "vocab_size": len(rows),
        "num_hidden_layers": len(layers),
        "pad_token_id": rows.tolist().index(padding),
    }
    return Weights(config, shapes, read)


def write(folder: Path, small: Encoder, whole: Path) -> None:
    """Write a classifier that is served like a built one, with a byte for each weight.

    Args:
        folder: where to.
        small: its weights, tokenizer and head.
        whole: the folder that it comes from.

    Raises:
        BadInput: it is of a family that cannot be built.
    """
    weights = small.weights
    build.save(weights, "int8", folder / build.MODEL)
    spelled = json.dumps(json.loads(small.tokenizer.to_str()), ensure_ascii=False)
    (folder / "tokenizer.json").write_text(spelled, encoding="utf-8")
    heads.save(small.head, folder)
    config = dict(weights.config) | {
        "max_tokens": context_tokens(whole, weights.config),
        # With weights of 8 bits, how many texts there are changes the order of adding.
        TOGETHER: 1,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
