"""A language model for training: from the folder of a pulled one, and back into such a folder.

Weights come through our own reader, also from GGUF, in float32. How the model learns is the
business of `trainer`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inhouse.core.errors import BadInput, InhouseError
from inhouse.models.adapter import merged
from inhouse.models.lora import WEIGHTS as ADAPTER
from inhouse.models.weight_files import read_json
from inhouse.models.weights import Weights, open_weights

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "model.safetensors"
HEAD = "lm_head.weight"
SETS = ("target_modules", "exclude_modules")
BUFFERS = (".inv_freq", "rope_freqs.weight")
DIFFERENCE = 1e-2
"""By how much the scores of an adapter and of the merged weights may differ."""


def load_model(folder: Path) -> Any:  # noqa: ANN401
    """Return the model in a folder that `inhouse.models.pull` has filled.

    Raises:
        BadInput: it is of a family that transformers does not know, or a tensor is missing or
            left over.
    """
    import torch
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoModelForCausalLM

    weights = open_weights(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise BadInput(
            f"A model of the family {config.model_type} cannot learn to write.",
            "Name a language model under 'base'.",
        )
    config.use_cache = False  # with a cache, packed texts would see one another
    model = AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="sdpa"
    )
    _fill(model, weights)
    weights.check_all_taken(but=(*BUFFERS, HEAD))
    return model


def with_lora(model: Any, rank: int, base: str) -> Any:  # noqa: ANN401
    """Return the model with an adapter on all linear layers but the last, which alone learns."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks transformers by an older name
        found = get_peft_model(model, config)
    found.peft_config["default"].base_model_name_or_path = base
    return found


def save_model(model: Any, folder: Path) -> None:  # noqa: ANN401
    """Write all weights, in the way of a pulled model."""
    from safetensors.torch import save_file

    tensors = {name: tensor.cpu() for name, tensor in _tensors(model).items()}
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def save_adapter(model: Any, folder: Path) -> None:  # noqa: ANN401
    """Write what `with_lora` has added, in the way of PEFT."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, folder / ADAPTER, {"format": "pt"})
    config = model.peft_config["default"]
    learning, config.inference_mode = config.inference_mode, True
    config.save_pretrained(folder)
    config.inference_mode = learning
    # PEFT writes sets, in an order of chance: the same adapter has the same bytes.
    file = folder / "adapter_config.json"
    found = {k: sorted(v) if k in SETS and v else v for k, v in read_json(file).items()}
    file.write_text(json.dumps(found, indent=2, sort_keys=True), encoding="utf-8")


def check_merged(model: Any, base: Path, folder: Path, tokens: Tensor) -> float:  # noqa: ANN401
    """Return by how much the adapter in `folder`, once merged, scores otherwise than in `model`.

    `tokens`, int64 [n, length], are scored by both. The model is of no use afterwards: to hold no
    second one, the merged weights are put into it.

    Raises:
        InhouseError: it is more than `DIFFERENCE`.
    """
    import torch

    model.eval()
    with torch.inference_mode():
        before = model(input_ids=tokens.to(model.device)).logits
        plain = model.unload()
        _fill(plain, merged(open_weights(base), folder))
        after = plain(input_ids=tokens.to(plain.device)).logits
        found = float((before - after).abs().max())
    if not found <= DIFFERENCE:
        raise InhouseError(
            f"The merged weights score by {found:.3g} otherwise than the adapter.",
            "Train all weights with 'full: true', and report this.",
        )
    return found


def _fill(model: Any, weights: Weights) -> None:  # noqa: ANN401
    """Put weights into a model."""
    import torch

    for name, tensor in _tensors(model).items():
        tensor.copy_(torch.tensor(weights.take(name, *tensor.shape)))


def _tensors(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return all weights by name, one that is used twice only once."""
    found = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        found.pop(HEAD, None)
    return found
