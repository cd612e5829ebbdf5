"""How language models take their steps: what all methods share, from settings to weights.

What is learnt from, and what is told of it afterwards, is the business of the stages. Torch and
transformers are imported inside, for they belong to the extra ``train``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inhouse.core.artifact import Input
from inhouse.core.stage import Context
from inhouse.train.embed import copy_beside

if TYPE_CHECKING:
    from inhouse.train.held_out import Parted
    from inhouse.train.language import Language
    from inhouse.train.mixer import Mixer
    from inhouse.train.trainer import LanguageTrainer, Run

Make = Callable[[Any, Any, "Run"], "LanguageTrainer"]
"""Makes what takes the steps, from a model, the arguments of transformers, and what is learnt."""
CHECKPOINTS = "checkpoints"
KEEP_SECONDS = 300.0
LORA_RATE, FULL_RATE = 2e-4, 3e-5
WARMING, DECAY, MEMORY = 0.05, 0.01, 0.999
NEW_WARMING, NEW_DECAY, NEW_MEMORY = 0.1, 0.1, 0.95
"""Weights by chance begin more slowly, and forget earlier gradients sooner (Brown et al., arXiv
2005.14165)."""
LONGEST_STEP = 1.0
PROBED = 256


def run_of(spec: Language, mixer: Mixer, parts: Mapping[str, Parted], ctx: Context) -> Run:
    """Return what a run learns from and measures, and where it keeps its unfinished work."""
    from inhouse.train import together
    from inhouse.train.recorders import recorders_of
    from inhouse.train.stream import once, rows_at_once
    from inhouse.train.trainer import Run

    words = max(part.learnt.about.vocabulary for part in parts.values())
    return Run(
        mixer,
        rows=min(spec.batch // together.world(), rows_at_once(spec.length, words)),
        held={name: once(name, part.held, length=spec.length) for name, part in parts.items()},
        every=spec.watch,
        root=ctx.work / CHECKPOINTS,
        keep=KEEP_SECONDS,
        progress=ctx.progress,
        price=spec.price,
        recorders=() if together.rank() else recorders_of(spec.reports, ctx.work.name),
    )


def trained(
    spec: Language, base: Input, run: Run, ctx: Context, make: Make | None = None
) -> tuple[LanguageTrainer, dict[str, int]]:
    """Take all steps; return who took them, and how many parameters there are and learn."""
    from transformers import TrainingArguments, set_seed

    from inhouse.train import together
    from inhouse.train.checkpoint import newest
    from inhouse.train.split import split, united
    from inhouse.train.trainer import LanguageTrainer

    set_seed(ctx.seed)
    model = _begun(spec, base)
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    others = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    about = {"parameters": others if spec.lora else learning, "trained": learning}
    sharing = spec.processes.shard and together.backend() is not None
    if sharing:
        split(model)
    new = spec.method == "scratch"
    arguments = TrainingArguments(
        output_dir=str(run.root),
        seed=ctx.seed + together.rank(),
        max_steps=len(run.mixer),
        per_device_train_batch_size=run.rows,
        gradient_accumulation_steps=math.ceil(spec.batch / together.world() / run.rows),
        learning_rate=rate_of(spec),
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round((NEW_WARMING if new else WARMING) * len(run.mixer))),
        weight_decay=NEW_DECAY if new else DECAY,
        adam_beta2=NEW_MEMORY if new else MEMORY,
        max_grad_norm=LONGEST_STEP,
        ignore_data_skip=True,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=together.backend() == "gloo",
        ddp_backend=together.backend(),
        ddp_find_unused_parameters=False,
    )
    if arguments.n_gpu > 1:
        # Else threads of this process share out the rows, and the loss with them.
        arguments._n_gpu = 1
    trainer = (make or LanguageTrainer)(model, arguments, run)
    trainer.learn(newest(run.root))
    if sharing:
        trainer.model = united(trainer.model, partial(_begun, spec, base))
    return trainer, about


def _begun(spec: Language, base: Input) -> Any:  # noqa: ANN401
    """Return the model as it is before the first step."""
    from inhouse.train.language_model import load_model, with_lora

    model = load_model(base.folder)
    return with_lora(model, spec.lora, base.artifact.ref.pinned) if spec.lora else model


def write_weights(spec: Language, base: Input, trainer: LanguageTrainer, ctx: Context) -> None:
    """Write the weights; those of a LoRA are seen to be the same once they are merged."""
    import torch

    from inhouse.train.language_model import check_merged, save_adapter, save_model

    if not spec.lora:
        copy_beside(base.folder, ctx.work)
        save_model(trainer.model, ctx.work)
        return
    save_adapter(trainer.model, ctx.work)
    tokens = torch.from_numpy(trainer.run.mixer.at(0).tokens[:1, :PROBED])
    check_merged(trainer.model, base.folder, ctx.work, tokens)


def scratch_of(work: Path) -> tuple[str, ...]:
    """Return the files that only an unfinished run needs."""
    left = sorted((work / CHECKPOINTS).rglob("*"))
    return tuple(file.relative_to(work).as_posix() for file in left if file.is_file())


def rate_of(spec: Language) -> float:
    """Return the highest learning rate."""
    return spec.rate or (LORA_RATE if spec.lora else FULL_RATE)
