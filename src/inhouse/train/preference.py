"""How a language model learns which answers people prefer: two losses, and the loop around them.

From pairs by DPO (Rafailov et al., arXiv 2305.18290), from single answers that were called good or
bad by KTO (Ethayarajh et al., arXiv 2402.01306). What the model said before it learnt is found once
beforehand, so no second model is held. It loads torch with itself, as `trainer` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy, logsigmoid
from torch.utils.data import DataLoader, IterableDataset
from transformers import TrainingArguments

from inhouse.train.branches import Prompted, branches, exchanged
from inhouse.train.checkpoint import Checkpoint
from inhouse.train.judged import Judged, JudgedRows, References
from inhouse.train.losses import precision
from inhouse.train.preference_curves import PreferenceCurves
from inhouse.train.tokens import Tokens
from inhouse.train.trainer import LanguageTrainer, Run

REFERENCES = "references.jsonl"
FEWEST = 2
Loss = Literal["dpo", "kto"]
Key = tuple[str, int, int]
LEARNT = ""


@dataclass(frozen=True, slots=True)
class Aim:
    """What is learnt.

    Args:
        loss: "dpo" from pairs alone, "kto" from single answers; a pair counts as two of them.
        beta: how much it costs to go away from what the model said before.
        good: how much an answer counts that was called good, one on average.
        bad: the same of one that was called bad.
    """

    loss: Loss
    beta: float
    good: float = 1.0
    bad: float = 1.0


@dataclass(frozen=True, slots=True)
class Sources:
    """The tokens of preferences by source: what is learnt from, and what is kept out."""

    learnt: Mapping[str, Tokens]
    held: Mapping[str, Tokens]


class PreferenceTrainer(LanguageTrainer):
    """The loop of `LanguageTrainer` with rows of answers in place of texts."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401
        args: TrainingArguments,
        run: Run,
        aim: Aim,
        sources: Sources,
    ) -> None:
        super().__init__(model, args, run)
        self.curves = PreferenceCurves(run.mixer.schedule.sources)
        self._aim = aim
        self._rows = JudgedRows(run.mixer, sources.learnt)
        self._held = {name: JudgedRows(m, sources.held) for name, m in run.held.items()}
        self._references = References(run.root / REFERENCES)
        self._places: dict[Key, int] = {}
        self._rewards: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []

    def learn(self, checkpoint: Checkpoint | None) -> None:
        """Find out what the model says before it learns, and then take all steps.

        Raises:
            BadInput: the run went astray.
        """
        self._refer()
        super().learn(checkpoint)

    def measure(self) -> dict[str, float]:
        """Return how well answers that are kept out of training are told apart, by source."""
        self.model.eval()
        found: dict[str, float] = {}
        with torch.inference_mode(), precision(self.args.device, self.half):
            for name, rows in self._held.items():
                losses, rewards, signs, likely = [], [], [], []
                for key, judged in _rows_of(rows, name):
                    given = self._on_device(self._given(key, judged, 1))
                    said = likelihoods(self.model, given)
                    reward = self._aim.beta * (said - given["reference"])
                    losses.append(self._losses(self.model, given, reward))
                    rewards.append(reward)
                    signs.append(given["signs"])
                    likely.append(said)
                all_signs = torch.cat(signs).cpu().numpy()
                told = told_apart(torch.cat(rewards).cpu().numpy(), all_signs, self._aim.loss)
                told["loss"] = float(torch.cat(losses).mean())
                if self._aim.loss == "dpo":
                    pairs = torch.cat(likely).view(-1, 2)
                    told["likelier"] = float((pairs[:, 0] > pairs[:, 1]).float().mean())
                found |= {f"{what} {name}": value for what, value in told.items()}
        return found

    def get_train_dataloader(self) -> DataLoader:
        """Return the rows from where the run goes on."""
        return DataLoader(_Stream(self), batch_size=None)

    def rows_from_here(self) -> Iterator[dict[str, Any]]:
        """Yield what the model is given of each row that is still to be learnt."""
        for step in range(self._first, len(self._rows)):
            rows = list(self._rows.at(step))
            answers = sum(len(one.signs) for one in rows)
            learnt = answers // 2 if self._aim.loss == "dpo" else answers
            for one in rows:
                yield self._given((LEARNT, one.source, one.sample), one, learnt)

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Return the row's share of the mean loss of a step, over all that is learnt in it."""
        with precision(self.args.device, self.half):
            rewards = self._aim.beta * (likelihoods(model, inputs) - inputs["reference"])
            losses = self._losses(model, inputs, rewards)
        source = int(inputs["source"])
        total, count = self._sums.get(source, (0.0, 0))
        self._sums[source] = (total + float(losses.detach().sum()), count + len(losses))
        self._rewards.append((rewards.detach().cpu().numpy(), inputs["signs"].cpu().numpy()))
        return losses.sum() / inputs["learnt"]

    def finished(self, step: int) -> None:
        """Note the step that was just taken.

        Raises:
            BadInput: the run went astray.
        """
        super().finished(step)
        rewards, signs = (np.concatenate(column) for column in zip(*self._rewards, strict=True))
        self._rewards = []
        self.curves.rows[-1] |= told_apart(rewards, signs, self._aim.loss)

    def _losses(self, model: Any, given: Mapping[str, Any], rewards: Any) -> Any:  # noqa: ANN401
        """Return the loss of each pair, or of each answer."""
        if self._aim.loss == "dpo":
            return dpo(rewards)
        zero = rewards.new_zeros(())
        if "other" in given:
            with torch.no_grad():
                other = given["other"]
                gone = self._aim.beta * (likelihoods(model, other) - other["reference"])
                zero = gone.mean().clamp(min=0)
        return kto(rewards, given["signs"], zero, self._aim)

    def _refer(self) -> None:
        """Find out how likely the model says each answer before it learns, by rows."""
        wanted = {
            (LEARNT, one.source, one.sample): one
            for step in range(len(self._rows))
            for one in self._rows.at(step)
        }
        for name, rows in self._held.items():
            wanted |= dict(_rows_of(rows, name))
        self._places = {key: place for place, key in enumerate(wanted)}
        known = len(self._references)
        self.model.eval()
        with torch.inference_mode(), precision(self.args.device, self.half):
            for place, judged in enumerate(wanted.values()):
                if place < known:
                    continue
                parts = [judged.row]
                if self._aim.loss == "kto" and len(judged.row) >= FEWEST:
                    parts.append(exchanged(judged.row))
                given = (self._on_device(tensors_of(part)) for part in parts)
                said = torch.cat([likelihoods(self.model, each) for each in given])
                self._references.add(said.tolist())
                self.run.progress(place + 1, len(wanted), "rows read beforehand")

    def _given(self, key: Key, judged: Judged, learnt: int) -> dict[str, Any]:
        """Return a row as the model is given it, with what it said of it before."""
        reference = torch.from_numpy(self._references[self._places[key]])
        own = len(judged.signs)
        found = {
            **tensors_of(judged.row),
            "reference": reference[:own],
            "signs": torch.from_numpy(judged.signs.astype(np.float32)),
            "source": torch.tensor(judged.source),
            "learnt": torch.tensor(learnt),
        }
        if len(reference) > own:
            other = tensors_of(exchanged(judged.row))
            found["other"] = other | {"reference": reference[own:]}
        return found

    def _on_device(self, given: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._prepare_inputs(given)
        return found


class _Stream(IterableDataset):  # type: ignore[misc]
    """The rows that a trainer still has before it, as tensors."""

    def __init__(self, trainer: PreferenceTrainer) -> None:
        self._trainer = trainer

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._trainer.rows_from_here()


def likelihoods(model: Any, given: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the logarithm of how likely each answer of a row is, [answers]."""
    scores = model(
        input_ids=given["input_ids"],
        position_ids=given["position_ids"],
        attention_mask=given["visible"],
        logits_to_keep=given["said_from"],
    ).logits[0]
    losses = cross_entropy(scores.float(), given["said"], reduction="none")
    found = losses.new_zeros(int(given["answer"][-1]) + 1)
    return found.index_add(0, given["answer"], -losses)


def dpo(rewards: Any) -> Any:  # noqa: ANN401
    """Return the loss of each pair, from the rewards of answers, the chosen one of a pair first."""
    pairs = rewards.view(-1, 2)
    return -logsigmoid(pairs[:, 0] - pairs[:, 1])


def kto(rewards: Any, signs: Any, zero: Any, aim: Aim) -> Any:  # noqa: ANN401
    """Return the loss of each answer; `zero` is the reward of answers to something else."""
    weights = torch.where(signs > 0, aim.good, aim.bad)
    return weights * (1 - torch.sigmoid(signs * (rewards - zero)))


def told_apart(
    rewards: NDArray[np.float32], signs: NDArray[np.float32], loss: Loss
) -> dict[str, float]:
    """Return by how much good answers are rewarded above bad ones, and how many of them are.

    By DPO they are compared within pairs, by KTO each good one with each bad one; those that are
    rewarded alike count half.
    """
    if loss == "dpo":
        margins = rewards[0::2] - rewards[1::2]
    else:
        margins = (rewards[signs > 0][:, None] - rewards[signs < 0]).ravel()
    if not len(margins):
        return {}
    told = (margins > 0) + 0.5 * (margins == 0)
    return {"margin": float(margins.mean()), "accuracy": float(told.mean())}


def tensors_of(row: Sequence[Prompted]) -> dict[str, Any]:
    """Return a row as the tensors that a model is given."""
    found = branches(row)
    return {
        "input_ids": torch.from_numpy(found.tokens)[None],
        "position_ids": torch.from_numpy(found.positions)[None],
        "visible": torch.from_numpy(found.visible)[None, None],
        "said_from": torch.from_numpy(found.said_from),
        "said": torch.from_numpy(found.said),
        "answer": torch.from_numpy(found.answer),
    }


def _rows_of(rows: JudgedRows, name: str) -> Iterator[tuple[Key, Judged]]:
    """Yield all rows of what is kept out of a source."""
    for step in range(len(rows)):
        for one in rows.at(step):
            yield (name, one.source, one.sample), one
