"""The stage of a language model, done by processes one of which may come to grief.

How is written into ``how`` of the work folder: a rank, a step, and what happens to it then.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from inhouse.core.stage import Context, Inputs, Result
from inhouse.train import language
from inhouse.train.language import Language
from inhouse.train.processes import FOLDER
from inhouse.train.stopping import STOP

SPEC = Language


def held(learner: Any) -> int:
    """Return how many numbers of weights and optimiser lie in this process."""
    from torch.distributed.tensor import DTensor

    tensors = list(learner.model.parameters())
    for state in learner.optimizer.state_dict()["state"].values():
        tensors += [one for key, one in state.items() if key != "step"]
    return sum((t.to_local() if isinstance(t, DTensor) else t).numel() for t in tensors)


def run(spec: Language, inputs: Inputs, ctx: Context) -> Result:
    from inhouse.train import learning, together, trainer

    number, step, what = (ctx.work / "how").read_text(encoding="utf-8").split()
    (ctx.work / f"pid-{together.rank()}").write_text(str(os.getpid()), encoding="utf-8")
    learning.KEEP_SECONDS = 0.0
    finished = trainer.LanguageTrainer.finished

    def watched(self: trainer.LanguageTrainer, done: int) -> None:
        finished(self, done)
        (ctx.work / f"held-{together.rank()}").write_text(str(held(self)), encoding="utf-8")
        if (together.rank(), done) == (int(number), int(step)):
            if what == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "wait":
                signal.pause()
            if what == "asked":
                while not (ctx.work / FOLDER / STOP).exists():
                    time.sleep(0.05)
                return
            raise RuntimeError("the card fell off the bus.\nand more")

    trainer.LanguageTrainer.finished = watched  # type: ignore[method-assign]
    return language.run(spec, inputs, ctx)
