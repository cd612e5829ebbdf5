"""``POST /v1/classify``: into which of some classes a text falls.

A classifier of the house knows its classes, and when it had better abstain. A model that writes
text is sent the classes: each is read as the end of a plain prompt (see
`inhouse.models.likelihood`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from inhouse.core.access import Actor
from inhouse.core.errors import BadField
from inhouse.core.protocols import OwnClasses, Usage
from inhouse.models.likelihood import (
    NOTHING,
    PROMPT,
    Scores,
    endings,
    likelihoods,
    mean,
    probabilities,
)
from inhouse.serve.answer import Ending
from inhouse.serve.completions import Continues
from inhouse.serve.connection import to_its_end
from inhouse.serve.failures import Json
from inhouse.serve.house import House, Served
from inhouse.serve.limits import Spend, counted
from inhouse.serve.lookup_bodies import ClassifyBody
from inhouse.serve.origin import headers, versions
from inhouse.serve.prompt import LETTERS_PER_TOKEN
from inhouse.serve.recording import Asked, Parts, looked_up, recorded
from inhouse.serve.seen import Step, current
from inhouse.serve.tally import Tally

REMEMBERED = 64


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
            NotFound: there is no such endpoint or classifier.
            Refused: its label does not admit the actor.
            BadField: all its models are APIs, or there are no labels; or there are, and the model
                has its own.
            TooLong: a text does not fit the model.
        """
        if self._house.admission.classifies(body.model):
            return await self._alone(actor, body, asked, spend)
        async with self._house.endpoint(body.model, actor) as opened, _here(opened) as served:
            found: list[Scores] = []
            tally, seen, sink = Tally(), current(), self._house.sink
            _check_able(served, body)
            seen.endpoint, seen.model = served.endpoint.ref.name, served.model_name
            if isinstance(served.model, OwnClasses):
                stream = _told(served, served.model, tally, body, found)
            else:
                stream = self._parts(served, _Reader(served.model, tally), body, found)
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
                read = seen.read = tally.usage.prompt_tokens
            origin = {"id": asked.id, **versions(served), "label": str(served.label)}
            answer = _answer(body, _own(served.model), found, read, origin)
        return Json(answer, headers=headers(served))

    async def _alone(
        self, actor: Actor, body: ClassifyBody, asked: Asked, spend: Spend | None
    ) -> Json:
        """Classify with a classifier that no endpoint stands before."""
        async with self._house.classifier(body.model, actor) as opened:
            model, ref = opened.classifier, opened.ref
            _check_no_labels(body, ref.path)
            trace = asked.lookup(actor, ref, opened.label, opened.digest)
            async with looked_up(self._house.sink, trace, spend) as record:
                record.prompt_tokens = await to_its_end(lambda: model.tokens(body.input))
                with Step("classifying"):
                    found = await to_its_end(lambda: model.classify(body.input).tolist())
                record.answer = "".join(_best(model.classes, scores) for scores in found)
        version = {"model": ref.pinned, "digest": opened.digest}
        origin = {"id": asked.id, **version, "label": str(opened.label)}
        answer = _answer(body, model, found, record.prompt_tokens, origin)
        return Json(answer, headers={f"x-inhouse-{key}": value for key, value in version.items()})

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
            self._priors[key] = mean(rows)
        prior = self._priors[key]
        for text in body.input:
            scores = await model.likelihoods(text, labels)
            found.append(probabilities(scores, prior))
            yield _best(labels, found[-1])
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


async def _told(
    served: Served, model: OwnClasses, tally: Tally, body: ClassifyBody, found: list[Scores]
) -> Parts:
    """Let a classifier tell its classes; what is recorded as said is the best one of each text."""
    yield tally
    tally.add(Usage(await to_its_end(lambda: model.tokens(body.input)), 0))
    found += await to_its_end(lambda: model.classify(body.input).tolist())
    for scores in found:
        yield _best(model.classes, scores)
    yield Ending("stop", tally.usage, (), served.label)


def _check_able(served: Served, body: ClassifyBody) -> None:
    path = served.endpoint.ref.path
    if isinstance(served.model, OwnClasses):
        _check_no_labels(body, path)
    elif not isinstance(served.model, Continues):
        raise BadField(
            "model",
            f"{path} is an API, which does not say how likely a label is.",
            "Use an endpoint whose model runs here.",
        )
    elif not body.labels:
        raise BadField(
            "labels",
            f"The model of {path} knows no classes of its own.",
            "Send at least two labels.",
        )


def _check_no_labels(body: ClassifyBody, path: str) -> None:
    if body.labels:
        raise BadField("labels", f"{path} was trained on classes of its own.", "Leave labels out.")


class _Reader:
    """A model with the tally of what it reads for one request."""

    def __init__(self, model: Any, tally: Tally) -> None:  # noqa: ANN401 - checked to be able
        self._model = model
        self.tally = tally

    async def likelihoods(self, text: str, labels: Sequence[str]) -> Scores:
        """Return how likely each label is behind a text."""
        prompt = PROMPT.format(text=text)
        try:
            scores, read = await likelihoods(self._model, prompt, labels)
        except asyncio.CancelledError:  # whoever leaves has begun all of it
            letters = sum(map(len, [prompt, *endings(labels)]))
            self.tally.add(Usage(letters // LETTERS_PER_TOKEN, 0, estimated=True))
            raise
        self.tally.add(Usage(read, 0))
        return scores


def _own(model: object) -> OwnClasses | None:
    return model if isinstance(model, OwnClasses) else None


def _answer(
    body: ClassifyBody,
    own: OwnClasses | None,
    found: Sequence[Scores],
    read: int,
    origin: dict[str, str],
) -> dict[str, Any]:
    """Return the body of an answer; a classifier says with it whether it abstains."""
    labels = own.classes if own else body.labels
    data = [
        {"index": i, "labels": _ranked(labels, scores, body.top_k)}
        | ({"abstains": max(scores) < own.below} if own else {})
        for i, scores in enumerate(found)
    ]
    return {
        "object": "list",
        "model": body.model,
        "data": data,
        "usage": {"prompt_tokens": read, "total_tokens": read},
        "inhouse": origin | ({"abstains_below": own.below} if own else {}),
    }


def _best(labels: Sequence[str], scores: Scores) -> str:
    """Return the line that a record has of a text."""
    return f"{labels[max(range(len(labels)), key=scores.__getitem__)]}\n"


def _ranked(labels: Sequence[str], scores: Scores, top: int | None) -> list[dict[str, Any]]:
    """Return classes with their probabilities, best first."""
    best = sorted(range(len(labels)), key=lambda i: (-scores[i], i))[:top]
    return [{"label": labels[i], "probability": round(scores[i], 6)} for i in best]
