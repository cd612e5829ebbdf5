"""What a smaller model is made of and with; putting it in order is the business of `steps`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from inhouse.compress import classifier
from inhouse.compress.front import require_picture
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.protocols import Classifier
from inhouse.project.classify_schema import Classified
from inhouse.project.compress_schema import Compressed
from inhouse.project.loaders import EMBEDDER, Loaders
from inhouse.project.made import Around, Made
from inhouse.train import embed


def require_compress() -> None:
    """Do nothing if models can be made small.

    Raises:
        MissingExtra: torch or matplotlib is not installed.
    """
    embed.require_train("Compressing a classifier")
    require_picture()


def compressed(name: str, entry: Compressed, around: Around) -> Sequence[Made]:
    """Return how a smaller model is made.

    Raises:
        BadInput: what it is to learn from cannot be made smaller.
    """
    teacher = around.project.models[entry.compress.removeprefix("models/")]
    if not isinstance(teacher, Classified):
        raise BadInput(
            f"{entry.compress!r} is no classifier that was trained here.",
            "Name a model with 'method: classify', or for a language model write "
            "budget: {perplexity: 2%}.",
        )
    parents = [
        (classifier.TEACHER, f"{entry.compress}/{EMBEDDER}"),
        (classifier.ENCODER, entry.compress),
        (classifier.EXAMPLES, teacher.examples),
    ]
    named = {classifier.TEST: entry.test, classifier.TEXTS: entry.texts}
    parents += [(role, ref) for role, ref in named.items() if ref]

    @contextmanager
    def opened(source: Input) -> Iterator[Classifier]:
        yield Loaders(around.catalog).classifier(source.artifact.ref)

    limits = entry.budget
    spec = classifier.Compress(limits.points, limits.p95_ms, limits.mb, entry.all)
    return [Made(f"models/{name}", classifier.stage(opened), spec, parents)]
