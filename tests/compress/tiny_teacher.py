"""A classifier of two narrow layers as training leaves it, its weights by chance under a head."""

import json
import string
from pathlib import Path

from tests.compress.painted import EXAMPLES
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from inhouse.core.access import Actor
from inhouse.core.stage import Context
from inhouse.models import build, heads
from inhouse.models.classifier import train
from inhouse.models.load import load_embedder

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def tiny_teacher(folder: Path, aside: Path) -> Path:
    """Write an encoder with its head into `folder`; `aside` is for what that takes."""
    import torch
    from safetensors.torch import save_file
    from tests.models.conftest import as_input
    from transformers import BertConfig, BertModel

    words = sorted({word.strip(",?") for text, _ in EXAMPLES for word in text.lower().split()})
    letters = string.ascii_lowercase + string.digits + "[],?."
    pieces = dict.fromkeys([*SPECIAL, *letters, *(f"##{one}" for one in letters), *words])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config.to_dict()), encoding="utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(BertModel(config, False).state_dict(), folder / "model.safetensors")
    build.run(build.Build("embedder"), {"weights": as_input(folder)}, Context(aside, Actor("test")))
    embed = load_embedder(aside).embed
    known = train(embed([text for text, _ in EXAMPLES]), [label for _, label in EXAMPLES], embed)
    heads.save(heads.Head(known.linear, 0.5), folder)
    return folder
