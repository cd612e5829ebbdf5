"""How a language model learns: the loop of transformers, given our stream, loss and checkpoints.

It loads torch and transformers with itself, so whoever needs it imports it inside a function.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils.data import DataLoader, IterableDataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from inhouse.core.stage import Progress
from inhouse.train import together
from inhouse.train.checkpoint import Checkpoint, commit
from inhouse.train.distilled import distances_of
from inhouse.train.live import Look
from inhouse.train.losses import has_bfloat16, learnt_parts, losses_of, precision, tensors_of
from inhouse.train.mixer import Mixer
from inhouse.train.pace import Pace, cost, peak, work_of
from inhouse.train.processes import FOLDER
from inhouse.train.recorders import Recorder
from inhouse.train.short_memory import is_short, pieces_of, refusal
from inhouse.train.split import learning, part, whole
from inhouse.train.stopping import STOP, Stopping
from inhouse.train.stream import UNLEARNT, parts_from
from inhouse.train.watch import Curves

STATE, CURVES, TRAINER = "state.safetensors", "curves.json", "trainer_state.json"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run learns from, and where it keeps its unfinished work.

    Args:
        mixer: the stream.
        rows: how many rows go through the model at once.
        held: what is kept out of training, by source.
        every: steps between two measurements of it; 0 for none between the first and the last.
        root: where checkpoints lie.
        keep: seconds between two of them.
        progress: told of each step.
        look: returns figures of the model as it is, by name, whenever it is measured.
        price: of an hour, and its unit.
        recorders: what is shown the figures of each step.
        teacher: a model to learn the answers of; without one, what the texts say is learnt.
    """

    mixer: Mixer
    rows: int
    held: Mapping[str, Mixer]
    every: int
    root: Path
    keep: float
    progress: Progress
    look: Look | None = None
    price: tuple[float, str] | None = None
    recorders: Sequence[Recorder] = ()
    teacher: Any = None


class Stream(IterableDataset):  # type: ignore[misc]
    """The parts of all steps from step `first` on, as tensors."""

    def __init__(self, mixer: Mixer, first: int, rows: int) -> None:
        self._mixer, self._first, self._rows = mixer, first, rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        rank, world = together.rank(), together.world()
        parts = parts_from(self._mixer, self._first, rows=self._rows, rank=rank, world=world)
        return map(tensors_of, parts)


class LanguageTrainer(Trainer):  # type: ignore[misc]
    """Trainer with a loss over all that a step learns, by source, and with our checkpoints."""

    loss_is_scaled_for_ga = True

    def __init__(self, model: Any, args: TrainingArguments, run: Run) -> None:  # noqa: ANN401
        super().__init__(model=model, args=args)
        self.remove_callback(PrinterCallback)
        self.add_callback(_Watcher(self, run))
        self.curves = Curves(run.mixer.schedule.sources)
        self.run = run
        self.half = has_bfloat16(self.args.device)
        if run.teacher is not None:
            run.teacher.to(self.args.device)
        self._sums: dict[int, tuple[float, int]] = {}
        self._first, self._before, self._began = 0, 0.0, time.monotonic()
        self._rng: dict[str, Any] = {}
        self.rows, self._taken = run.rows, list[Mapping[str, Any]]()
        self._kept = time.monotonic()
        self.stepped, self.stopped = 0.0, False
        asks = run.root.parent / FOLDER / STOP if together.world() > 1 else None
        self.stopping = Stopping(asks, self._stops)

    def learn(self, checkpoint: Checkpoint | None) -> None:
        """Take all steps, going on from a checkpoint if there is one, and measure before and after.

        Raises:
            BadInput: the run went astray.
        """
        if checkpoint:
            self._first = checkpoint.step
            self.curves.rows = json.loads((checkpoint.folder / CURVES).read_text(encoding="utf-8"))
            self._before = self.curves.rows[-1]["seconds"]
        else:
            self.curves.begin()
            self.look()
            self.record()
        self._began = time.monotonic()
        peaks = together.gathered(torch.tensor(peak(self.args.device, self.half)))
        self.pace = Pace(work_of(self.model, self.run.mixer.length), float(sum(peaks)))
        self._take_steps(checkpoint)
        self.look()
        self.record()
        for recorder in self.run.recorders:
            recorder.close()

    def record(self) -> None:
        """Show the figures of the last step to whoever records them."""
        row = dict(self.curves.rows[-1])
        step = row.pop("step")
        for recorder in self.run.recorders:
            recorder.note(step, row | (self.pace.now() if step else {}))

    def _take_steps(self, checkpoint: Checkpoint | None) -> None:
        """Take the steps that are left; if somebody asks, stop after the one in hand and keep it.

        Raises:
            KeyboardInterrupt: somebody asked.
            BadInput: memory ran out, even with one row at once.
        """
        if checkpoint and checkpoint.step == len(self.run.mixer):
            self._load_from_checkpoint(str(checkpoint.folder))
            return
        with self.stopping.heard() if together.world() == 1 else nullcontext():
            try:
                self.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
            except (MemoryError, RuntimeError) as error:
                if not is_short(error):
                    raise
                raise refusal(self.run.mixer.length) from None
        if self.stopped:
            raise KeyboardInterrupt

    def _stops(self) -> None:
        told = "steps, stops after the one in hand; at once if asked again"
        self.run.progress(self.state.global_step, len(self.run.mixer), told)

    def look(self) -> None:
        """Note how the model does now."""
        self.curves.measured(self.measure())
        if self.run.look:
            self.curves.watched(self.run.look(self.model))

    def measure(self) -> dict[str, float]:
        """Return the perplexity of what is kept out of training, by source."""
        model = self.model.eval()
        found = {}
        # What inference_mode leaves behind of split weights cannot learn any more.
        with torch.no_grad(), precision(self.args.device, self.half):
            for name, mixer in self.run.held.items():
                total, count = 0.0, 0
                for step in range(len(mixer)):
                    for part in learnt_parts(mixer, step):
                        given = {k: v.to(self.args.device) for k, v in tensors_of(part).items()}
                        total += float(losses_of(model, given).sum())
                        count += part.learnt
                found[name] = math.exp(min(total / count, 700.0)) if count else math.nan
        return found

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:  # noqa: ANN401
        """Return a rate that rises along a line and falls along a cosine, the first step's above 0.

        That of transformers begins at 0, so a run of one step would learn nothing.
        """
        warm = self.args.get_warmup_steps(num_training_steps)

        def slope(step: int) -> float:
            if step < warm:
                return float((step + 1) / (warm + 1))
            passed = (step - warm) / max(num_training_steps - warm, 1)
            return 0.5 * (1 + math.cos(math.pi * passed))

        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, slope)
        return self.lr_scheduler

    def get_train_dataloader(self) -> DataLoader:
        """Return the stream from where the run goes on."""
        return DataLoader(Stream(self.run.mixer, self._first, self.run.rows), batch_size=None)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:  # noqa: ANN401
        """Learn from a part, the first time with the chance that the checkpoint has kept.

        Only here: all that happens between loading a checkpoint and this may draw on it.
        """
        if self._rng:
            torch.set_rng_state(self._rng["cpu"])
            if "cuda" in self._rng:
                torch.cuda.set_rng_state(self._rng["cuda"])
            self._rng = {}
        self.rate = self._get_learning_rate()
        self._taken.append(inputs)
        try:
            return self._learn_part(model, inputs, num_items_in_batch)
        except (MemoryError, RuntimeError) as error:
            # Processes that learn together have exchanged some of their gradients by now.
            if not is_short(error) or self.rows == 1 or together.world() > 1:
                raise
        return self._learn_again(model, num_items_in_batch)

    def _learn_part(self, model: Any, part: Mapping[str, Any], items: Any) -> Any:  # noqa: ANN401
        step = super().training_step
        return sum(step(model, piece, items) for piece in pieces_of(part, self.rows))

    def _learn_again(self, model: Any, items: Any) -> Any:  # noqa: ANN401
        """Take the parts of this step anew with half as many rows at once, or fewer.

        Raises:
            MemoryError: one row at once is too much.
        """
        while self.rows > 1:
            self.rows //= 2
            self._sums = {}
            model.zero_grad()
            if self.args.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                return [self._learn_part(model, part, items) for part in self._taken][-1]
            except (MemoryError, RuntimeError) as error:
                if not is_short(error):
                    raise
        raise MemoryError

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Return the part's share of the mean loss of a step, over all tokens that it learns.

        Where several processes learn, the mean of their gradients is taken: here it is the sum.
        """
        with precision(self.args.device, self.half):
            losses = self._part_losses(model, inputs).sum(-1)
        counts = (inputs["targets"] != UNLEARNT).sum(-1)
        rows = zip(inputs["source"].tolist(), losses.tolist(), counts.tolist(), strict=True)
        for source, loss, count in rows:
            total, tokens = self._sums.get(source, (0.0, 0))
            self._sums[source] = (total + loss, tokens + count)
        return losses.sum() / inputs["learnt"] * together.world()

    def _part_losses(self, model: Any, inputs: Mapping[str, Any]) -> Any:  # noqa: ANN401
        if self.run.teacher is None:
            return losses_of(model, inputs)
        return distances_of(model, inputs, self.run.teacher)

    def finished(self, step: int) -> None:
        """Note the step that was just taken.

        Raises:
            BadInput: the run went astray.
        """
        mixer = self.run.mixer
        sums = together.summed(self._sums, len(mixer.schedule.sources))
        named = {mixer.schedule.sources[place]: found for place, found in sums.items()}
        total, count = (sum(column) for column in zip(*named.values(), strict=True))
        row = {
            "step": step,
            "tokens": step * mixer.batch * mixer.length,
            "loss": total / count,
            "rate": self.rate,
            "seconds": round(self._before + time.monotonic() - self._began, 3),
        }
        self.pace.add(mixer.batch * mixer.length, time.monotonic() - self.stepped)
        self._sums, self._taken = {}, []
        self.curves.add(row, {name: part / max(n, 1) for name, (part, n) in sorted(named.items())})

    def is_due(self) -> bool:
        """Say whether it is time for a checkpoint: now and then, and when the run is to stop."""
        asked = self.stopping.asked
        due = together.agreed(asked or time.monotonic() - self._kept >= self.run.keep)
        self.stopped = due and together.agreed(asked)
        return due

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ANN401
        tensors = self._tensors()  # each process has a part of them
        if not together.rank():
            commit(self.run.root, self.state.global_step, partial(self._write, tensors))
        self._kept = time.monotonic()

    def _tensors(self) -> dict[str, Any]:
        """Return all tensors that a run goes on from: weights that learn, optimiser, chance."""
        found = whole((f"model.{name}", value.detach()) for name, value in learning(self.model))
        for number, state in self.optimizer.state_dict()["state"].items():
            found |= whole((f"optimizer.{number}.{key}", value) for key, value in state.items())
        chances = {"cpu": torch.get_rng_state()}
        if self.args.device.type == "cuda":
            chances["cuda"] = torch.cuda.get_rng_state()
        for kind, chance in chances.items():
            for rank, one in enumerate(together.gathered(chance)):
                found[f"rng.{rank}.{kind}"] = one
        return found

    def _write(self, tensors: dict[str, Any], folder: Path) -> None:
        """Write all that a run goes on from, its curves with it."""
        schedule = json.dumps(self.lr_scheduler.state_dict())
        save_file(tensors, folder / STATE, {"schedule": schedule})
        (folder / CURVES).write_text(self.curves.as_json(), encoding="utf-8")
        self.state.save_to_json(str(folder / TRAINER))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ANN401
        with _opened(resume_from_checkpoint) as file, torch.no_grad():
            for name, value in learning(self.model):
                value.copy_(part(file.get_tensor(f"model.{name}"), value))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        states: dict[int, dict[str, Any]] = {}
        weights = [one for group in self.optimizer.param_groups for one in group["params"]]
        with _opened(checkpoint) as file:
            schedule = json.loads(file.metadata()["schedule"])
            for name in file.keys():  # noqa: SIM118 - no mapping
                kind, _, rest = name.partition(".")
                if kind == "optimizer":
                    number, _, key = rest.partition(".")
                    found = part(file.get_tensor(name), weights[int(number)])
                    states.setdefault(int(number), {})[key] = found
                elif rest.startswith(f"{together.rank()}."):
                    self._rng[rest.partition(".")[2]] = file.get_tensor(name)
        self.lr_scheduler.load_state_dict(schedule)
        groups = self.optimizer.state_dict()["param_groups"]
        for group, rate in zip(groups, schedule["_last_lr"], strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Do nothing: `training_step` does it later."""


class _Watcher(TrainerCallback):  # type: ignore[misc]
    """Notes each step, and says when it is time to measure and to keep."""

    def __init__(self, trainer: LanguageTrainer, run: Run) -> None:
        self._trainer, self._run = trainer, run

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        self._trainer.stepped = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ANN401
        step, steps, every = state.global_step, len(self._run.mixer), self._run.every
        self._trainer.finished(step)
        trainer = self._trainer
        fewer = f"{trainer.rows} row{'s'[: trainer.rows > 1]} at once"
        short = [fewer] if trainer.rows < self._run.rows else []
        costs = cost(trainer.curves.rows[-1]["seconds"], self._run.price)
        spent = [f"{much:,.2f} {unit}" for unit, much in costs.items()]
        told = (trainer.pace.told(), *spent, *short, *trainer.curves.told())
        self._run.progress(step, steps, ", ".join(["steps", *told]))
        if step < steps and every and step % every == 0:
            self._trainer.look()
        if step < steps:
            self._trainer.record()
        control.should_save = self._trainer.is_due()
        control.should_training_stop = control.should_training_stop or self._trainer.stopped
        return control


def _opened(folder: str) -> Any:  # noqa: ANN401
    return safe_open(Path(folder) / STATE, "pt")
