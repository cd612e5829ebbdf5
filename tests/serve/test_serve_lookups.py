"""Ranks and feedback over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from serve_world import World, running
from test_serve_door import send

from inhouse.core.access import Actor
from inhouse.core.errors import NotFound
from inhouse.core.nouns import Feedback
from inhouse.models.fake import HashEmbedder
from inhouse.serve.app import create_app
from inhouse.serve.lookup_bodies import FeedbackBody
from inhouse.serve.vectors import relevance

ID = "0" * 31 + "a"


@dataclass
class Kept:
    """Knows one trace."""

    said: list[tuple[Feedback, Actor]] = field(default_factory=list)

    async def take(self, feedback: Feedback, actor: Actor) -> None:
        if feedback.trace != ID:
            raise NotFound("answer", feedback.trace, [])
        self.said.append((feedback, actor))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def listening(world: World, kept: Kept) -> Iterator[str]:
    with running(create_app(world.house, feedback=kept)) as found:
        yield found.url


def rerank(**changes: object) -> bytes:
    documents = ["ab", {"text": "abcdefgh"}, "abcd"]
    return json.dumps(
        {"model": "minilm", "query": "abcd", "documents": documents, **changes}
    ).encode()


def test_what_answers_best_comes_first() -> None:
    documents = ["sick people rest", "parents get ten weeks", "ten parents"]
    scores = relevance(HashEmbedder(), "how many weeks do parents get", documents)
    assert max(range(3), key=scores.__getitem__) == 1
    assert all(0 <= score <= 1 for score in scores)
    assert relevance(HashEmbedder(), "the same", ["the same"]) == [1.0]


def test_few_vectors_of_tokens_are_held_at_once():
    class Counting(HashEmbedder):
        def embed_tokens(self, texts, *, starts):
            assert len(texts) <= 32
            return super().embed_tokens(texts, starts=starts)

    documents = [f"word {number}" for number in range(100)]
    scores = relevance(Counting(), "word 70", documents)
    assert len(scores) == 100
    assert max(range(100), key=scores.__getitem__) == 70


def test_rerank(world: World, url: str) -> None:
    _, key = world.key("cy")
    status, found, headers = send(url, "POST", "/v1/rerank", rerank(return_documents=True), key)
    assert status == 200
    assert sorted(r["index"] for r in found["results"]) == [0, 1, 2]
    scores = [r["relevance_score"] for r in found["results"]]
    assert scores == sorted(scores, reverse=True)
    assert {r["document"]["text"] for r in found["results"]} == {"ab", "abcd", "abcdefgh"}
    assert headers["x-inhouse-digest"] == world.catalog.get(world.minilm).digest
    status, found, _ = send(url, "POST", "/v1/rerank", rerank(top_n=1), key)
    assert len(found["results"]) == 1
    assert "document" not in found["results"][0]


@pytest.mark.parametrize(
    ("changes", "param"),
    [({"documents": []}, "documents"), ({"top_n": 0}, "top_n"), ({"query": ""}, "query")],
)
def test_rerank_fields(world: World, url: str, changes: dict[str, object], param: str) -> None:
    _, key = world.key("cy")
    status, found, _ = send(url, "POST", "/v1/rerank", rerank(**changes), key)
    assert (status, found["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("sent", "score"), [({"score": -1}, -1), ({"score": 1}, 1), ({"thumbs": "down"}, -1)]
)
def test_feedback_is_handed_over(
    world: World, listening: str, kept: Kept, sent: dict[str, object], score: int
) -> None:
    _, key = world.key("cy")
    body = json.dumps({"id": f"chatcmpl-{ID}", "correction": "ten", **sent}).encode()
    status, found, _ = send(listening, "POST", "/v1/feedback", body, key)
    assert (status, found["score"]) == (200, score)
    assert kept.said[0][0] == Feedback(ID, "cy", score, "ten")
    assert kept.said[0][1].name == "cy"


@pytest.mark.parametrize("id", [ID, f"chatcmpl-{ID}", f"cmpl-{ID}", f"resp_{ID}"])
@pytest.mark.parametrize("number", ["", "-1", "-127"])
def test_feedback_takes_the_ids_that_clients_have(id: str, number: str) -> None:
    body = FeedbackBody(id=id + number, thumbs="down")
    assert body.feedback("cy") == Feedback(ID + number, "cy", -1)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"id": f"{ID}-0", "score": 1}, 400),
        ({"id": f"resp_{ID}"}, 400),
        ({"id": f"resp_{ID}", "score": 1, "thumbs": "up"}, 400),
        ({"id": f"resp_{ID}", "score": 2}, 400),
        ({"id": "x", "score": 1}, 400),
        ({"id": "f" * 32, "score": 1}, 404),
    ],
)
def test_feedback_that_cannot_be_used(
    world: World, listening: str, sent: dict[str, object], status: int
) -> None:
    _, key = world.key("cy")
    found = send(listening, "POST", "/v1/feedback", json.dumps(sent).encode(), key)
    assert found[0] == status
    if sent["id"] == "x":
        error = found[1]["error"]
        assert "The field 'id' is not the id of an answer. Send the id" in error["message"]
        assert error["param"] == "id"


def test_a_server_without_traces_says_so(world: World, url: str) -> None:
    _, key = world.key("cy")
    body = json.dumps({"id": ID, "score": 1}).encode()
    status, found, _ = send(url, "POST", "/v1/feedback", body, key)
    assert (status, found["error"]["code"]) == (501, "not_implemented")
