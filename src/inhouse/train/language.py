"""The stage that trains a language model on a mix of texts or chats: all its weights, or a LoRA.

Its unfinished work is checkpoints, so that a run which was cut off goes on where it stood and ends
in the same weights. All weights are laid out like a pulled model, a LoRA as PEFT lays it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, get_args

from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput, MissingExtra
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.models.pull import context_tokens, kind_of
from inhouse.models.spelling import spelling_of
from inhouse.models.weight_files import read_json
from inhouse.train.card import write_card
from inhouse.train.launch import spread
from inhouse.train.learning import rate_of, run_of, scratch_of, trained, write_weights
from inhouse.train.legs import By, Leg, phases_of
from inhouse.train.processes import Processes, is_shared
from inhouse.train.recorders import Report, require
from inhouse.train.reported import bits_of, summary_of, wasted, write_seen

if TYPE_CHECKING:
    from inhouse.train.held_out import Parted
    from inhouse.train.mixer import Mixer
    from inhouse.train.tokens import Tokens

Method = Literal["scratch", "continue", "instruct", "prefer"]
BASE, TEACHER = "base", "teacher"
BEFORE = "before"
"""The training that a base comes from, where the base itself is only what was made of it."""
EPOCHS: Mapping[Method, float] = {
    "scratch": 1.0,
    "continue": 1.0,
    "instruct": 3.0,
    "prefer": 1.0,
}


@dataclass(frozen=True, slots=True)
class Language:
    """What to learn, and how.

    Args:
        method: "scratch" learns to go on with documents from nothing, "continue" from what the
            base knows; "instruct" learns what the assistant says.
        mix: each data set with its share, in the order of their names; weights of any scale. If
            all are 0, each has as much as it holds.
        mix_by: what the numbers of the mix are, as a `Leg` says it.
        stages: several mixes one after another, in place of `mix` and what belongs to it.
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
        price: of an hour, and its unit.
        reports: where the figures are shown as well.
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
    mix_by: By = field(default="weight", metadata={"identity": "unless default"})
    stages: tuple[Leg, ...] = field(default=(), metadata={"identity": "unless default"})
    price: tuple[float, str] | None = field(default=None, metadata={"identity": False})
    reports: tuple[Report, ...] = field(default=(), metadata={"identity": False})

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
        if bool(self.mix) == bool(self.stages):
            raise BadInput("A run has a mix, or stages that have one.", "Give it one of both.")

    @property
    def legs(self) -> list[Leg]:
        """What is read, leg by leg."""
        alone = Leg(self.mix, self.mix_by, self.tokens, self.epochs)
        return [Leg(*one) for one in self.stages] or [alone]

    @property
    def sources(self) -> list[str]:
        """The data sets that it learns from, in the order of their names."""
        return sorted({name for leg in self.legs for name, _ in leg.mix})

    @property
    def read(self) -> int | None:
        """How many tokens are read; None if it follows from how many the sources hold."""
        found = [leg.read for leg in self.legs]
        return None if None in found else sum(filter(None, found))


def run(spec: Language, inputs: Inputs, ctx: Context) -> Result:
    """Train the input ``base`` on the tokens that lie under the names of the mix.

    With an input ``teacher``, it learns to answer as that does, and not what the texts say.

    Raises:
        MissingExtra: what learns is not installed.
        BadInput: base or tokens do not fit the method, there is too little to learn from, or the
            run went astray.
    """
    require_train()
    require(spec.reports)
    # What watches is here, and cannot be taken along.
    if ctx.watcher is None and is_shared(spec.processes, spec.batch):
        return spread(__name__, spec, inputs, ctx)
    from inhouse.train import together
    from inhouse.train.live import look_of

    base = inputs[BASE]
    check_base(spec, base)
    parts = _parted(spec, inputs)
    mixer, went_on = mixer_of(spec, parts, inputs, ctx.seed)
    _check_learnt(spec, mixer)
    plan = replace(run_of(spec, mixer, parts, ctx), look=look_of(ctx.watcher, base.folder))
    if TEACHER in inputs:
        plan = replace(plan, teacher=_frozen(inputs[TEACHER]))
    trainer, about = trained(spec, base, plan, ctx)
    if together.rank():
        return Result()
    write_weights(spec, base, trainer, ctx)
    trainer.curves.save(ctx.work)
    write_seen(mixer, parts, ctx.work)
    summary = summary_of(spec, base, trainer, mixer) | about | wasted(spec, mixer, parts)
    summary |= went_on
    summary["bits_per_byte"] = bits_of(summary["perplexity"], parts, base.folder)
    summary |= trainer.pace.whole()
    settings = asdict(spec) | {"rate": rate_of(spec), "seed": ctx.seed, "bfloat16": trainer.half}
    settings |= {"processes": together.world(), "shard": spec.processes.shard}
    if TEACHER in inputs:
        settings["teacher"] = inputs[TEACHER].artifact.ref.pinned
    del settings["price"], settings["reports"]
    data = {name: inputs[name].artifact for name in spec.sources}
    write_card(ctx.work, base.artifact, data, settings, summary)
    return Result(summary, scratch=scratch_of(ctx.work))


SPEC, STAGE = Language, Stage("train.language", 2, run)


def require_train() -> None:
    """Make sure that what learns is there, without loading it.

    Raises:
        MissingExtra: it is not installed.
    """
    if not all(map(find_spec, ("torch", "transformers", "accelerate", "peft"))):
        raise MissingExtra("Training a language model", "train")


def check_base(spec: Language, base: Input) -> None:
    """Make sure that a model can learn what is asked.

    Raises:
        BadInput: it is no language model, or rows are longer than what it reads.
    """
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

    sources = {name: Tokens(inputs[name].folder) for name in spec.sources}
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
        check_tokens(name, tokens, inputs[BASE])
    return {name: parted(name, tokens, length=spec.length) for name, tokens in sources.items()}


def check_tokens(name: str, tokens: Tokens, base: Input) -> None:
    """Make sure that texts are spelt in tokens as a model spells them.

    Raises:
        BadInput: it has another tokenizer, or another chat template.
    """
    about, spelling = tokens.about, spelling_of(base.folder)
    if (about.tokenizer, about.template or spelling.template) != astuple(spelling):
        raise BadInput(
            f"{name} was tokenised for another model than {base.artifact.ref.path}.",
            "Tokenise it for this one.",
        )


def mixer_of(
    spec: Language, parts: Mapping[str, Parted], inputs: Inputs, seed: int
) -> tuple[Mixer, dict[str, Any]]:
    """Return the stream of the whole run, in whole steps, and what the summary says of where.

    A source that the model has read from before goes on behind that, if it is the same.
    """
    from inhouse.train.mixer import Mixer
    from inhouse.train.positions import begun, place_of, positions
    from inhouse.train.schedule import Schedule
    from inhouse.train.stream import rows_of

    held = {name: rows_of(part.learnt, spec.length) for name, part in parts.items()}
    epochs = EPOCHS[spec.method]
    phases = phases_of(spec.legs, held, length=spec.length, batch=spec.batch, epochs=epochs)
    learnt = {name: part.learnt for name, part in parts.items()}
    places = {name: place_of(tokens, spec.length, seed) for name, tokens in learnt.items()}
    before = inputs.get(BEFORE, inputs[BASE]).artifact.summary.get("positions", {})
    where = begun(before, places)
    schedule = Schedule(phases, seed=seed)
    mixer = Mixer(learnt, schedule, length=spec.length, batch=spec.batch, begun=where.at)
    stands = positions(before, places, mixer.positions(len(schedule)))
    return mixer, {"began": dict(where.at), "anew": dict(where.anew), "positions": stands}


def _check_learnt(spec: Language, mixer: Mixer) -> None:
    """Look at all batches before the first step, rather than stop at one after days."""
    from inhouse.train.stream import parts_of

    for step in range(len(mixer) if spec.method == "instruct" else 1):
        parts_of(mixer.at(step), rows=spec.batch)


def _frozen(teacher: Input) -> Any:  # noqa: ANN401
    """Return a model that learns nothing itself."""
    from inhouse.train.language_model import load_model

    return load_model(teacher.folder).requires_grad_(False).eval()
