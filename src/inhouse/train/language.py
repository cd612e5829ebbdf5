"""The stage that trains a language model on a mix of texts or chats: all its weights, or a LoRA.

Its unfinished work is checkpoints, so that a run which was cut off goes on where it stood and ends
in the same weights. All weights are laid out like a pulled model, a LoRA as PEFT lays it out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, get_args

from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput, MissingExtra
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.pull import context_tokens, kind_of
from inhouse.models.weight_files import read_json
from inhouse.train.card import write_card
from inhouse.train.embed import copy_beside
from inhouse.train.launch import spread
from inhouse.train.processes import Processes, is_shared

if TYPE_CHECKING:
    from inhouse.train.held_out import Parted
    from inhouse.train.mixer import Mixer
    from inhouse.train.tokens import Tokens
    from inhouse.train.trainer import LanguageTrainer, Run

Make = Callable[[Any, Any, "Run"], "LanguageTrainer"]
"""Makes what takes the steps, from a model, the arguments of transformers, and what is learnt."""
Method = Literal["scratch", "continue", "instruct", "prefer"]
BASE, TEACHER = "base", "teacher"
SEEN = "seen.parquet"
CHECKPOINTS = "checkpoints"
KEEP_SECONDS = 300.0
EPOCHS: Mapping[Method, float] = {
    "scratch": 1.0,
    "continue": 1.0,
    "instruct": 3.0,
    "prefer": 1.0,
}
LORA_RATE, FULL_RATE = 2e-4, 3e-5
WARMING, DECAY, MEMORY = 0.05, 0.01, 0.999
NEW_WARMING, NEW_DECAY, NEW_MEMORY = 0.1, 0.1, 0.95
"""Weights by chance begin more slowly, and forget earlier gradients sooner (Brown et al., arXiv
2005.14165)."""
LONGEST_STEP = 1.0
PROBED = 256


@dataclass(frozen=True, slots=True)
class Language:
    """What to learn, and how.

    Args:
        method: "scratch" learns to go on with documents from nothing, "continue" from what the
            base knows; "instruct" learns what the assistant says.
        mix: each data set with its share, in the order of their names; weights of any scale. If
            all are 0, each has as much as it holds.
        tokens: how many to learn from. Without it and `epochs`, documents are read once, chats
            three times.
        epochs: how often as many rows are read as there are in all data sets together.
        length: tokens of a row.
        batch: rows of a step.
        rate: the highest learning rate; it rises over the first twentieth and falls along a cosine.
            Without it 2e-4 for a LoRA, 3e-5 for all weights.
        lora: rank of the adapter; 0 trains all weights.
        watch: steps between two measurements of what is kept out; 0 measures before and after only.
        processes: how many do it, and where.
    """

    method: Method
    mix: tuple[tuple[str, float], ...]
    tokens: int | None = None
    epochs: float | None = None
    length: int = 1024
    batch: int = 8
    rate: float | None = None
    lora: int = 16
    watch: int = 0
    processes: Processes = field(default=Processes(), metadata={"identity": False})

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise BadInput(
                f"{self.method!r} is not a method.", "Use scratch, continue or instruct."
            )
        if self.length < 2 or self.batch < 1 or self.lora < 0:
            raise BadInput(
                "A row takes 2 tokens at least, a batch a row, and no rank is below 0.",
                "Correct 'length', 'batch' or 'lora'.",
            )


def run(spec: Language, inputs: Inputs, ctx: Context) -> Result:
    """Train the input ``base`` on the tokens that lie under the names of the mix.

    With an input ``teacher``, it learns to answer as that does, and not what the texts say.

    Raises:
        MissingExtra: what learns is not installed.
        BadInput: base or tokens do not fit the method, there is too little to learn from, or the
            run went astray.
    """
    require_train()
    # What watches is here, and cannot be taken along.
    if ctx.watcher is None and is_shared(spec.processes, spec.batch):
        return spread(__name__, spec, inputs, ctx)
    from inhouse.train import together
    from inhouse.train.live import look_of

    base = inputs[BASE]
    _check_base(spec, base)
    parts = _parted(spec, inputs)
    mixer = _mixer(spec, parts, ctx.seed)
    _check_learnt(spec, mixer)
    plan = replace(_run_of(spec, mixer, parts, ctx), look=look_of(ctx.watcher, base.folder))
    if TEACHER in inputs:
        plan = replace(plan, teacher=_frozen(inputs[TEACHER]))
    trainer, about = _trained(spec, base, plan, ctx)
    if together.rank():
        return Result()
    _write(spec, base, trainer, ctx)
    trainer.curves.save(ctx.work)
    _write_seen(mixer, parts, ctx.work)
    summary = _summary(spec, base, trainer, mixer) | about | _wasted(spec, mixer, parts)
    summary["bits_per_byte"] = _bits(summary["perplexity"], parts, base.folder)
    summary |= trainer.pace.whole()
    settings = asdict(spec) | {"rate": _rate(spec), "seed": ctx.seed, "bfloat16": trainer.half}
    settings |= {"processes": together.world()}
    if TEACHER in inputs:
        settings["teacher"] = inputs[TEACHER].artifact.ref.pinned
    data = {name: inputs[name].artifact for name, _ in spec.mix}
    write_card(ctx.work, base.artifact, data, settings, summary)
    return Result(summary, scratch=_scratch(ctx.work))


SPEC, STAGE = Language, Stage("train.language", 1, run)


def _scratch(work: Path) -> tuple[str, ...]:
    """Return the files that only an unfinished run needs."""
    left = sorted((work / CHECKPOINTS).rglob("*"))
    return tuple(file.relative_to(work).as_posix() for file in left if file.is_file())


def require_train() -> None:
    """Make sure that what learns is there, without loading it.

    Raises:
        MissingExtra: it is not installed.
    """
    if not all(map(find_spec, ("torch", "transformers", "accelerate", "peft"))):
        raise MissingExtra("Training a language model", "train")


def _check_base(spec: Language, base: Input) -> None:
    config, ref = read_json(base.folder / "config.json"), base.artifact.ref.path
    if kind_of(config) != "language":
        raise BadInput(
            f"{ref} is no language model.", "Name one under 'base', such as smollm2-135m-instruct."
        )
    limit = context_tokens(base.folder, config)
    if spec.length > limit:
        raise BadInput(
            f"{ref} reads {limit} tokens at most, and a row takes {spec.length}.",
            f"Set 'length' to {limit} or less.",
        )


def _parted(spec: Language, inputs: Inputs) -> dict[str, Parted]:
    """Return the sources, each in what is learnt from and what is kept out."""
    from inhouse.train.held_out import parted
    from inhouse.train.tokens import Tokens

    sources = {name: Tokens(inputs[name].folder) for name, _ in spec.mix}
    judged = [name for name, tokens in sources.items() if tokens.about.preferences]
    if judged:
        raise BadInput(f"{judged[0]} holds preferences.", "Learn from them with 'method: prefer'.")
    chats = [name for name, tokens in sources.items() if tokens.about.template]
    if spec.method != "instruct" and chats:
        raise BadInput(f"{chats[0]} holds chats.", "Learn from them with 'method: instruct'.")
    if spec.method == "instruct" and not chats:
        raise BadInput(
            f"{' and '.join(sources)} hold no chats.",
            "Learn from documents with 'method: continue', or add a data set of chats.",
        )
    for name, tokens in sources.items():
        _check_vocabulary(name, tokens, inputs[BASE])
    return {name: parted(name, tokens, length=spec.length) for name, tokens in sources.items()}


def _check_vocabulary(name: str, tokens: Tokens, base: Input) -> None:
    """Make sure that tokens are those of a model.

    Raises:
        BadInput: they were made for another one.
    """
    if tokens.about.vocabulary > read_json(base.folder / "config.json").get("vocab_size", 0):
        raise BadInput(
            f"{name} was tokenised for another model than {base.artifact.ref.path}.",
            "Tokenise it for this one.",
        )


def _mixer(spec: Language, parts: Mapping[str, Parted], seed: int) -> Mixer:
    """Return the stream of the whole run, in whole steps."""
    from inhouse.train.mixer import Mixer
    from inhouse.train.schedule import Phase, Schedule
    from inhouse.train.stream import rows_of

    held = {name: float(rows_of(part.learnt, spec.length)) for name, part in parts.items()}
    if spec.tokens is not None:
        rows = spec.tokens / spec.length
    else:
        epochs = EPOCHS[spec.method] if spec.epochs is None else spec.epochs
        rows = epochs * sum(held.values())
    steps = max(1, math.ceil(rows / spec.batch))
    shares = dict(spec.mix) if any(share for _, share in spec.mix) else held
    schedule = Schedule([Phase(steps * spec.batch, shares)], seed=seed)
    learnt = {name: part.learnt for name, part in parts.items()}
    return Mixer(learnt, schedule, length=spec.length, batch=spec.batch)


def _check_learnt(spec: Language, mixer: Mixer) -> None:
    """Look at all batches before the first step, rather than stop at one after days."""
    from inhouse.train.stream import parts_of

    for step in range(len(mixer) if spec.method == "instruct" else 1):
        parts_of(mixer.at(step), rows=spec.batch)


def _run_of(spec: Language, mixer: Mixer, parts: Mapping[str, Parted], ctx: Context) -> Run:
    from inhouse.train import together
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
    )


def _frozen(teacher: Input) -> Any:  # noqa: ANN401
    """Return a model that learns nothing itself."""
    from inhouse.train.language_model import load_model

    return load_model(teacher.folder).requires_grad_(False).eval()


def _trained(
    spec: Language, base: Input, run: Run, ctx: Context, make: Make | None = None
) -> tuple[LanguageTrainer, dict[str, int]]:
    """Take all steps; return who took them, and how many parameters there are and learn."""
    from transformers import TrainingArguments, set_seed

    from inhouse.train import together
    from inhouse.train.checkpoint import newest
    from inhouse.train.language_model import load_model, with_lora
    from inhouse.train.trainer import LanguageTrainer

    set_seed(ctx.seed)
    model = load_model(base.folder)
    about = {"parameters": model.num_parameters()}
    if spec.lora:
        model = with_lora(model, spec.lora, base.artifact.ref.pinned)
    about["trained"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    new = spec.method == "scratch"
    arguments = TrainingArguments(
        output_dir=str(run.root),
        seed=ctx.seed + together.rank(),
        max_steps=len(run.mixer),
        per_device_train_batch_size=run.rows,
        gradient_accumulation_steps=math.ceil(spec.batch / together.world() / run.rows),
        learning_rate=_rate(spec),
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
    if (
        arguments.n_gpu > 1
    ):  # else threads of this process share out the rows, and the loss with them
        arguments._n_gpu = 1
    trainer = (make or LanguageTrainer)(model, arguments, run)
    trainer.learn(newest(run.root))
    return trainer, about


def _write(spec: Language, base: Input, trainer: LanguageTrainer, ctx: Context) -> None:
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


def _write_seen(mixer: Mixer, parts: Mapping[str, Parted], folder: Path) -> None:
    """Write which documents were learnt from: source, id and digest of each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = pa.schema([(name, pa.string()) for name in ("source", "id", "digest")])
    with pq.ParquetWriter(folder / SEEN, columns, compression="zstd") as writer:
        for name, seen in mixer.seen(len(mixer.schedule)).items():
            wanted = set(seen.documents.tolist())
            names = enumerate(parts[name].learnt.names())
            rows = [(name, id, digest) for place, (id, digest) in names if place in wanted]
            found = zip(*rows, strict=True) if rows else ((), (), ())
            writer.write_batch(pa.record_batch(list(map(list, found)), schema=columns))


def _summary(spec: Language, base: Input, trainer: LanguageTrainer, mixer: Mixer) -> dict[str, Any]:
    losses = trainer.curves.losses
    edge = max(len(losses) // 10, 1)
    config, draws = read_json(base.folder / "config.json"), len(mixer.schedule)
    return {
        "kind": "adapter" if spec.lora else "language",
        "method": spec.method,
        "architecture": config["model_type"],
        "licence": base.artifact.summary.get("licence", ""),
        "context_tokens": context_tokens(base.folder, config),
        "steps": len(mixer),
        "tokens": draws * spec.length,
        "first_loss": round(fmean(losses[:edge]), 4),
        "last_loss": round(fmean(losses[-edge:]), 4),
        "perplexity": {
            name: [round(value, 4) for value in ends]
            for name, ends in trainer.curves.perplexity().items()
        },
        "suites": {
            name: [round(value, 4) for value in ends]
            for name, ends in trainer.curves.suites().items()
        },
        "shares": {name: n * spec.length for name, n in mixer.schedule.counts(draws).items()},
    }


def _bits(
    perplexity: Mapping[str, Sequence[float]], parts: Mapping[str, Parted], model: Path
) -> dict[str, list[float]]:
    """Return the same as perplexities in bits of a byte, which no tokenizer changes."""
    from inhouse.train.bytes import bytes_of_token

    sizes = {name: bytes_of_token(part.held, model) for name, part in parts.items()}
    return {
        name: [round(math.log2(value) / sizes[name], 4) for value in ends]
        for name, ends in perplexity.items()
    }


def _wasted(spec: Language, mixer: Mixer, parts: Mapping[str, Parted]) -> dict[str, float]:
    """Return the share of places in the rows that hold no token."""
    from inhouse.train.samples import samples_of

    drawn = mixer.schedule.counts(len(mixer.schedule))
    empty = sum(n * samples_of(parts[name].learnt, spec.length).wasted for name, n in drawn.items())
    return {"wasted": round(empty / len(mixer.schedule), 4)}


def _rate(spec: Language) -> float:
    return spec.rate or (LORA_RATE if spec.lora else FULL_RATE)
