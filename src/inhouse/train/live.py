"""Shows a language model to a watcher while it learns: the very one in memory, and no copy of it.

What is measured is the watcher's business, when it looks that of `trainer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from inhouse.core.protocols import Watcher
from inhouse.models.build import stops_of
from inhouse.models.chat_format import ChatFormat
from inhouse.models.examined import LocalExamined
from inhouse.models.language import LocalModel
from inhouse.models.transformers_engine import TransformersEngine
from inhouse.models.weight_files import read_json

Look = Callable[[Any], Mapping[str, float]]
"""Returns the figures of a model of torch."""


def look_of(watcher: Watcher | None, base: Path) -> Look | None:
    """Return what shows a model to a watcher, or None without one.

    The model has the tokenizer and the chat template that lie in `base`. It learns the same
    whether it is looked at or not: it is in its own mode again afterwards, and chance is where it
    was.

    Raises:
        BadInput: there is no chat template.
    """
    if watcher is None:
        return None
    form = ChatFormat(base)
    stops = frozenset(stops_of(base, read_json(base / "config.json")))

    def look(model: Any) -> Mapping[str, float]:  # noqa: ANN401
        import torch

        learning = model.training
        model.eval()
        try:
            with torch.random.fork_rng():
                shown = LocalModel("live", form, TransformersEngine(model), stops)
                with closing(LocalExamined(shown)) as examined:
                    return watcher.look(examined)
        finally:
            model.train(learning)

    return look
