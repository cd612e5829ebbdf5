"""The stage that trains a language model on which answers people prefer: all weights, or a LoRA.

It is the stage of `language` but for what is learnt of a row, which is the business of
`preference`. Nothing but the tokens that `tokenise` makes of preferences will do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.train.card import write_card
from inhouse.train.language import (
    BASE,
    Language,
    check_base,
    check_tokens,
    mixer_of,
    require_train,
)
from inhouse.train.learning import run_of, scratch_of, trained, write_weights
from inhouse.train.recorders import require
from inhouse.train.reported import summary_of, write_seen

if TYPE_CHECKING:
    from inhouse.train.held_out import Parted
    from inhouse.train.preference import Aim
    from inhouse.train.preference_curves import PreferenceCurves

HELD = 0.1
LORA_RATE, FULL_RATE = 2e-4, 5e-6


@dataclass(frozen=True, slots=True)
class Prefer(Language):
    """What to learn, and how, as a `Language` says it; the method is "prefer".

    Without a rate it is 2e-4 for a LoRA, 5e-6 for all weights. Without a budget all is read once.

    Args:
        beta: how much it costs to go away from what the model said before.
    """

    beta: float = 0.1

    def __post_init__(self) -> None:
        Language.__post_init__(self)
        if self.method != "prefer" or not self.beta > 0:
            raise BadInput("Preferences are learnt with a beta above 0.", "Correct 'beta'.")


def run(spec: Prefer, inputs: Inputs, ctx: Context) -> Result:
    """Train the input ``base`` on the tokens that lie under the names of the mix.

    Raises:
        MissingExtra: what learns is not installed.
        BadInput: the tokens are not of preferences, there is too little to learn from, or the run
            went astray.
    """
    require_train()
    require(spec.reports)
    from inhouse.train.live import look_of
    from inhouse.train.preference import PreferenceTrainer, Sources

    base = inputs[BASE]
    check_base(spec, base)
    spec = replace(spec, rate=spec.rate or (LORA_RATE if spec.lora else FULL_RATE))
    parts, long = _parted(spec, inputs)
    mixer, went_on = mixer_of(spec, parts, inputs, ctx.seed)
    aim = _aim(spec, parts)
    sources = Sources(
        {name: part.learnt for name, part in parts.items()},
        {name: part.held for name, part in parts.items()},
    )
    make = partial(PreferenceTrainer, aim=aim, sources=sources)
    look = look_of(ctx.watcher, base.folder)
    given = replace(run_of(spec, mixer, parts, ctx), rows=1, look=look)
    found, about = trained(spec, base, given, ctx, make)
    write_weights(spec, base, found, ctx)
    found.curves.save(ctx.work)
    write_seen(mixer, parts, ctx.work)
    summary = summary_of(spec, base, found, mixer) | about | went_on
    summary |= _told(cast("PreferenceCurves", found.curves), aim, long) | found.pace.whole()
    settings = asdict(spec) | asdict(aim) | {"seed": ctx.seed, "bfloat16": found.half}
    del settings["price"], settings["reports"]
    data = {name: inputs[name].artifact for name in spec.sources}
    write_card(ctx.work, base.artifact, data, settings, summary)
    return Result(summary, scratch=scratch_of(ctx.work))


STAGE = Stage("train.prefer", 1, run)


def _parted(spec: Prefer, inputs: Inputs) -> tuple[dict[str, Parted], int]:
    """Return the sources, each in what is learnt from and what is kept out.

    The second is how many prompts are too long for a row with their answers, and left out.
    """
    from inhouse.train.held_out import parted
    from inhouse.train.judged import fitting
    from inhouse.train.stream import rows_of
    from inhouse.train.tokens import Tokens

    found, long = {}, 0
    for name in spec.sources:
        tokens = Tokens(inputs[name].folder)
        if not tokens.about.preferences:
            raise BadInput(
                f"{name} holds no preferences.",
                "Name data sets of prompts with answers that were chosen and rejected, or called "
                "good and bad.",
            )
        check_tokens(name, tokens, inputs[BASE])
        tokens, many = fitting(tokens, spec.length)
        found[name] = part = parted(name, tokens, length=spec.length, share=HELD)
        if not all(rows_of(side, spec.length) for side in (part.learnt, part.held)):
            raise BadInput(
                f"{name} has too few preferences to learn from some and measure on others: of "
                f"{len(tokens.ends)} prompts {many} are longer with their answers than a row.",
                f"Lengthen the rows, of {spec.length} tokens now, with 'length', or give it more.",
            )
        long += many
    return found, long


def _aim(spec: Prefer, parts: dict[str, Parted]) -> Aim:
    """Return what is learnt: by DPO if there are pairs only, else by KTO.

    Good and bad answers count alike as a whole, however many there are of each.
    """
    from inhouse.train.preference import Aim

    verdicts = [part.learnt.verdicts for part in parts.values()]
    pairs = sum(int((one == 0).sum()) for one in verdicts)
    good, bad = (pairs + sum(int((one == sign).sum()) for one in verdicts) for sign in (1, -1))
    if good == bad == pairs:
        return Aim("dpo", spec.beta)
    if not (good and bad):
        raise BadInput(
            f"All {good or bad} answers were called {'good' if good else 'bad'}.",
            "Add some of the other kind: it is from both that a model learns to tell them apart.",
        )
    mean = (good + bad) / 2
    return Aim("kto", spec.beta, round(mean / good, 4), round(mean / bad, 4))


def _told(curves: PreferenceCurves, aim: Aim, long: int) -> dict[str, Any]:
    """Return what was measured on the answers that were kept out."""
    held = {
        name: {what: [round(value, 4) for value in ends] for what, ends in found.items()}
        for name, found in curves.held().items()
    }
    return {"loss": aim.loss, "held": held, "left_out": {"long": long} if long else {}}
