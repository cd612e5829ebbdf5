"""``POST /v1/classify``: into which of some classes a text falls, as a language model sees it.

A model that writes text was never asked to classify, so each label is read as the end of a plain
prompt, and how likely it is there is compared with how likely it is behind a text that says
nothing: some labels are likely behind anything (Zhao et al., arXiv 2102.09690).
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from inhouse.core.access import Actor
from inhouse.core.errors import BadField
from inhouse.core.protocols import Usage
from inhouse.serve.answer import Ending
from inhouse.serve.choices import headers, versions
from inhouse.serve.completions import Continues
from inhouse.serve.failures import Json
from inhouse.serve.house import House, Served
from inhouse.serve.limits import Spend, counted
from inhouse.serve.lookup_bodies import ClassifyBody
from inhouse.serve.recording import Asked, Parts, recorded
from inhouse.serve.seen import current
from inhouse.serve.tally import Tally

PROMPT = "Text: {text}\nLabel:"
NOTHING = ("N/A", "[MASK]", "")
"""Texts that say nothing, as in the paper."""
REMEMBERED = 64

Scores = Sequence[float]


class Classifying:
    """Classifies at the endpoints of a house; remembers what labels are worth behind nothing.

    It does so for each actor apart: that somebody asked for the same labels is nobody's business.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._priors: dict[tuple[str, ...], Scores] = {}

    async def answer(
        self, actor: Actor, body: ClassifyBody, asked: Asked, spend: Spend | None = None
    ) -> Json:
        """Return the classes of each text with their probabilities, best first.

        The tokens are told to `spend`, also if nobody waits for the end.

        Raises:
            NotFound: there is no such endpoint.
            Refused: its label does not admit the actor.
            BadField: all its models are APIs, or there are no labels.
            TooLong: a text does not fit the model.
        """
        async with self._house.endpoint(body.model, actor) as opened, _here(opened) as served:
            found: list[Scores] = []
            seen, model, sink = current(), _Reader(_able(served, body)), self._house.sink
            seen.endpoint, seen.model = served.endpoint.ref.name, served.model_name
            stream = self._parts(served, model, body, found)
            if sink:
                trace = asked.trace(served, 0, ())
                stream = recorded(stream, sink, trace, streamed=False)
            if spend:
                stream = counted(stream, spend)
            try:
                async with aclosing(stream) as parts:
                    async for _ in parts:
                        pass
            finally:
                read = seen.read = model.tally.usage.prompt_tokens
        content = {
            "object": "list",
            "model": body.model,
            "data": [
                {"index": i, "labels": _ranked(body.labels, scores, body.top_k)}
                for i, scores in enumerate(found)
            ],
            "usage": {"prompt_tokens": read, "total_tokens": read},
            "inhouse": {
                "id": asked.id,
                **versions(served),
                "label": str(served.label),
            },
        }
        return Json(content, headers=headers(served))

    async def _parts(
        self, served: Served, model: _Reader, body: ClassifyBody, found: list[Scores]
    ) -> Parts:
        """Classify text by text; what is recorded as said is the best label of each."""
        yield model.tally
        labels = body.labels
        key = (served.actor.name, served.digest, *labels)
        if key not in self._priors:
            rows = [await model.likelihoods(text, labels) for text in NOTHING]
            while len(self._priors) >= REMEMBERED:
                self._priors.pop(next(iter(self._priors)))
            self._priors[key] = [sum(each) / len(rows) for each in zip(*rows, strict=True)]
        prior = self._priors[key]
        for text in body.input:
            scores = await model.likelihoods(text, labels)
            found.append(_softmax([s - p for s, p in zip(scores, prior, strict=True)]))
            best = max(range(len(labels)), key=found[-1].__getitem__)
            yield f"{labels[best]}\n"
        yield Ending("stop", model.tally.usage, (), served.label)


@asynccontextmanager
async def _here(served: Served) -> AsyncIterator[Served]:
    """Give an endpoint with a model of its chain that runs here, if there is one."""
    chain = served.chain
    local = [link for link in chain.links if link.endpoint.model] if chain else []
    if chain is None or not local or isinstance(served.model, Continues):
        yield served
        return
    async with replace(chain, links=local).first() as (link, model):
        yield replace(
            served,
            endpoint=link.endpoint,
            settings=link.settings,
            model=model,
            digest=link.digest,
            price=link.price,
        )


def _able(served: Served, body: ClassifyBody) -> Continues:
    if not isinstance(served.model, Continues):
        raise BadField(
            "model",
            f"{served.endpoint.ref.path} is an API, which does not say how likely a label is.",
            "Use an endpoint whose model runs here.",
        )
    if not body.labels:
        raise BadField(
            "labels",
            f"The model of {served.endpoint.ref.path} knows no classes of its own.",
            "Send at least two labels.",
        )
    return served.model


class _Reader:
    """A model with the tally of what it reads for one request."""

    def __init__(self, model: Continues) -> None:
        self._model = model
        self.tally = Tally()

    async def likelihoods(self, text: str, labels: Sequence[str]) -> Scores:
        """Return how likely each label is behind a text.

        It is the mean of the log-probabilities of a label's tokens, so that a long one stands a
        chance.
        """
        prompt = PROMPT.format(text=text)
        scores = []
        for label in labels:
            tokens = await self._model.score(f"{prompt} {label}")
            self.tally.add(Usage(len(tokens), 0))
            own = [token.logprob or 0.0 for token in tokens if token.start >= len(prompt)]
            scores.append(sum(own) / max(len(own), 1))
        return scores


def _softmax(scores: Scores) -> Scores:
    highest = max(scores)
    parts = [math.exp(score - highest) for score in scores]
    total = sum(parts)
    return [part / total for part in parts]


def _ranked(labels: Sequence[str], scores: Scores, top: int | None) -> list[dict[str, Any]]:
    """Return classes with their probabilities, best first."""
    best = sorted(range(len(labels)), key=lambda i: (-scores[i], i))[:top]
    return [{"label": labels[i], "probability": round(scores[i], 6)} for i in best]
