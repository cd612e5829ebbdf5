"""What a smaller language model is chosen from, and how each of these is made.

Each form is made by stages that others use too: built with another precision, or trained as any
model is. Putting them in order is the business of `steps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from inhouse.compress import language as shrinking
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.models import build, ready
from inhouse.project.loaders import Loaders
from inhouse.project.made import Around, Made
from inhouse.project.schema import Model
from inhouse.project.scratch_schema import Scratch
from inhouse.project.shrink_schema import Fewer, Shrunk
from inhouse.project.train_schema import Trained
from inhouse.project.train_steps import tokens_of, weights_of, whole
from inhouse.train import language, shorter
from inhouse.train.windows import windows

EXACT: build.Precision = "f16"
SMALL: Sequence[build.Precision] = ("int8", "int4")


def shrunk(name: str, entry: Shrunk, around: Around) -> Sequence[Made]:
    """Return how the forms of a language model are made, and how one of them is chosen.

    Raises:
        BadInput: what is to become small is no language model, or one that is small already.
    """
    project, path = around.project, f"models/{name}"
    if not isinstance(
        project.models[entry.compress.removeprefix("models/")], Trained | Scratch | Model
    ):
        raise BadInput(
            f"{entry.compress!r} is no language model that was pulled or trained.",
            "Name one; for a classifier write a budget of points.",
        )
    weights = weights_of(entry.compress, project)
    built = {
        kept: Made(
            f"{entry.compress}/openvino-{kept}", build.STAGE, build.Build(precision=kept), weights
        )
        for kept in (EXACT, *SMALL)
    }
    forms: list[tuple[str, str]] = [(kept, built[kept].path) for kept in SMALL]
    found = [*built.values(), test := tokens_of(entry.compress, entry.test, project)]
    if entry.layers:
        made = _fewer(path, entry.compress, entry.layers, around)
        forms += [(one.path.rpartition("/")[2], one.path) for one in made if _is_built(one)]
        found += made
    stage = shrinking.stage(_opener(around), windows)
    spec = shrinking.Shrink(entry.budget.perplexity, entry.budget.mb)
    parents = [(shrinking.MODEL, built[EXACT].path), (shrinking.TEST, test.path), *forms]
    return [*found, Made(path, stage, spec, parents)]


def _fewer(path: str, ref: str, entry: Fewer, around: Around) -> Sequence[Made]:
    """Return how models with fewer layers are made, and each of them in its small forms."""
    project = around.project
    base = whole(ref, project)
    found = [tokens_of(ref, source, project) for source in sorted(entry.mix)]
    tokens = [(made.parents[0][1], made.path) for made in found]
    if base != ref:
        merged = ready.Ready("transformers")
        found.append(Made(base, ready.STAGE, merged, weights_of(ref, project)))
    spec = language.Language(
        method="continue",
        mix=tuple((source, weight or 0.0) for source, weight in sorted(entry.mix.items())),
        tokens=entry.budget.tokens if entry.budget else None,
        epochs=entry.budget.epochs if entry.budget else None,
        length=entry.length,
        batch=entry.batch,
        rate=entry.rate,
        lora=0,
    )
    for share in entry.leave_out:
        less = f"{path}/less-{share * 100:g}"
        cut, healed = f"{less}-cut", f"{less}-taught"
        parents = [(language.BASE, cut), (language.TEACHER, base), *tokens]
        found += [
            Made(cut, shorter.STAGE, shorter.Shorter(share), [(language.BASE, base), *tokens]),
            Made(healed, language.STAGE, spec, parents),
        ]
        found += [
            Made(f"{less}-{kept}", build.STAGE, build.Build(precision=kept), [("weights", healed)])
            for kept in SMALL
        ]
    return found


def _is_built(made: Made) -> bool:
    return made.stage is build.STAGE


def _opener(around: Around) -> shrinking.Opener:
    def opened(source: Input) -> shrinking.Scores:
        return cast(shrinking.Scores, Loaders(around.catalog).model(source.artifact.ref))

    return opened
