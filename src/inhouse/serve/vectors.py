"""``POST /v1/embeddings`` and ``/v1/rerank``: what an embedder answers, in the usual shapes.

Who may use an embedder is the house's business.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from inhouse.core.access import Actor
from inhouse.core.protocols import Embedder
from inhouse.serve.connection import to_its_end
from inhouse.serve.failures import Json
from inhouse.serve.house import Encoding, House
from inhouse.serve.limits import Spend
from inhouse.serve.lookup_bodies import EmbeddingBody, RerankBody
from inhouse.serve.recording import Asked, looked_up
from inhouse.serve.seen import Step

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

TOGETHER = 32
"""Documents whose tokens' vectors are held at once: those of a thousand take 400 MB."""


async def embedded(
    house: House, actor: Actor, body: EmbeddingBody, asked: Asked, spend: Spend | None = None
) -> Json:
    """Turn texts into vectors; the record has their digest instead of them."""
    about = {**asked.body, "input": of_texts(body.input)}
    async with house.embedder(body.model, actor) as opened:
        trace = replace(asked, body=about).lookup(actor, opened.ref, opened.label, opened.digest)
        async with looked_up(house.sink, trace, spend) as record:
            read = await to_its_end(lambda: opened.embedder.tokens(body.input))
            record.prompt_tokens = read
            with Step("embedding"):
                vectors = await to_its_end(lambda: opened.embedder.embed(body.input))
    show = _base64 if body.encoding_format == "base64" else _numbers
    data = [
        {"object": "embedding", "index": i, "embedding": show(vector)}
        for i, vector in enumerate(vectors)
    ]
    return _answer(opened, body.model, read, {"data": data})


async def reranked(
    house: House, actor: Actor, body: RerankBody, asked: Asked, spend: Spend | None = None
) -> Json:
    """Say how well texts answer a query, best first; the record has their digest, not them."""
    about = {**asked.body, "documents": of_texts(body.documents)}
    query, documents = body.query, body.documents
    async with house.embedder(body.model, actor) as opened:
        trace = replace(asked, body=about).lookup(actor, opened.ref, opened.label, opened.digest)
        async with looked_up(house.sink, trace, spend) as record:
            read = await to_its_end(lambda: opened.embedder.tokens([query, *documents]))
            record.prompt_tokens = read
            with Step("embedding"):
                scores = await to_its_end(lambda: relevance(opened.embedder, query, documents))
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[: body.top_n]
    results = [
        {"index": i, "relevance_score": scores[i]}
        | ({"document": {"text": body.documents[i]}} if body.return_documents else {})
        for i in best
    ]
    return _answer(opened, body.model, read, {"results": results})


def of_texts(texts: Sequence[str]) -> dict[str, Any]:
    """Return what a record holds in place of many texts: enough to know them again."""
    digest = hashlib.sha256(orjson.dumps(texts)).hexdigest()
    return {"texts": len(texts), "sha256": digest}


def relevance(embedder: Embedder, query: str, documents: Sequence[str]) -> list[float]:
    """Return how well each document answers a query, from 0 to 1.

    Half of it is the cosine of the two texts, half how near the tokens of the query are to their
    nearest in the document (Khattab and Zaharia, arXiv 2004.12832).
    """
    (asked,), (words,) = embedder.embed_tokens([query], starts=[0])
    found = []
    for start in range(0, len(documents), TOGETHER):
        some = documents[start : start + TOGETHER]
        vectors, tokens = embedder.embed_tokens(some, starts=[0] * len(some))
        for vector, of in zip(vectors, tokens, strict=True):
            nearest = float((words @ of.T).max(axis=1).mean()) if words.size and of.size else 0.0
            score = (float(vector @ asked) + nearest) / 2
            found.append(round(min(max(score, 0.0), 1.0), 6))
    return found


def _answer(opened: Encoding, name: str, read: int, found: dict[str, Any]) -> Json:
    model, digest = opened.ref.pinned, opened.digest
    content = {
        "object": "list",
        "model": name,
        **found,
        "usage": {"prompt_tokens": read, "total_tokens": read},
        "inhouse": {"model": model, "digest": digest, "label": str(opened.label)},
    }
    return Json(content, headers={"x-inhouse-model": model, "x-inhouse-digest": digest})


def _numbers(vector: Vectors) -> Any:  # noqa: ANN401 - what orjson makes a list of
    return vector


def _base64(vector: Vectors) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
