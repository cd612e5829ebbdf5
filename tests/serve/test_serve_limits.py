"""What a key is for, how much it may ask, how many wait, and how long a request may take."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode, urlsplit

import openai
import pytest
import requests
from serve_world import Local, World, running
from test_serve_door import chat, send
from test_serve_seen import scraped

from inhouse.catalog.key import Limits
from inhouse.catalog.spending import Spending
from inhouse.core.artifact import Ref
from inhouse.core.label import Label
from inhouse.core.protocols import TokenScore
from inhouse.serve.app import create_app
from inhouse.serve.turnstile import Turnstile

CHAT = "/v1/chat/completions"
BODIES = {
    CHAT: chat(),
    "/v1/completions": b'{"model": "desk", "prompt": "x"}',
    "/v1/responses": b'{"model": "desk", "input": "x"}',
    "/v1/embeddings": b'{"model": "minilm", "input": "x"}',
    "/v1/rerank": b'{"model": "minilm", "query": "x", "documents": ["x"]}',
    "/v1/classify": b'{"model": "desk", "input": ["x"], "labels": ["a", "b"]}',
    "/v1/search": b'{"knowledge": "desk", "query": "x"}',
    "/v1/feedback": b'{"id": "%s", "score": 1}' % (b"0" * 32),
}


def limited(world: World, *only: str, **allowed: int) -> str:
    return world.catalog.keys.create("ana", by="admin", only=only, allowed=Limits(**allowed))[1]


def used(world: World, number: int = -1) -> tuple[int, int]:
    return Spending(world.catalog.root).today(world.catalog.keys.list()[number], time.time())


def asked_all(world: World, url: str, key: str) -> Iterator[tuple[str, int, dict, dict]]:
    """Ask every route that something is used by; yield each path with what came back."""
    for route in create_app(world.house).doors:
        if route.guard == "use":
            if route.path in BODIES:
                answer = send(url, "POST", route.path, BODIES[route.path], key)
            else:
                assert route.path == "/v1/sections"
                answer = send(url, "GET", cited(world.handbook), key=key)
            yield route.path, *answer


def cited(source: Ref, id: str = "s0") -> str:
    return f"/v1/sections?{urlencode({'source': source.pinned, 'id': id})}"


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_every_use_route_keeps_to_what_a_key_is_for(world: World, url: str) -> None:
    key = limited(world, "knowledge/other", "models/other")
    for path, status, body, _ in asked_all(world, url, key):
        assert (path, status, body["error"]["type"]) == (path, 403, "permission_error")
        assert "his key is only for knowledge/other, models/other" in body["error"]["message"]
        assert path == "/v1/feedback" or not world.catalog.audit(last=1)[0].allowed
    assert world.engines.opened == []


def test_every_use_route_keeps_to_the_limits_of_a_key(world: World, url: str) -> None:
    key = limited(world, requests_per_minute=1)
    assert send(url, "POST", CHAT, chat(), key)[0] == 200
    for path, status, body, headers in asked_all(world, url, key):
        assert (path, status, body["error"]["code"]) == (path, 429, "rate_limit_exceeded")
        assert 1 <= int(headers["retry-after"]) <= 60
    assert send(url, "GET", "/v1/models", key=key)[0] == 200
    assert used(world)[0] == 1


def test_a_key_is_for_some_things_only(world: World, url: str) -> None:
    key = limited(world, "endpoints/help", "models")
    status, body, _ = send(url, "GET", "/v1/models", key=key)
    assert (status, [model["id"] for model in body["data"]]) == (200, ["help", "minilm"])
    question = [{"role": "user", "content": "parents"}]
    assert send(url, "POST", CHAT, chat(model="help", messages=question), key)[0] == 200
    assert send(url, "POST", "/v1/embeddings", BODIES["/v1/embeddings"], key)[0] == 200
    assert send(url, "POST", CHAT, chat(), key)[0] == 403
    assert send(url, "POST", "/v1/search", BODIES["/v1/search"], key)[0] == 403
    # What is not there is not told from what the key is not for.
    told = send(url, "POST", CHAT, chat(model="hepl"), key)[1]["error"]["message"]
    assert "'help'" in told
    assert "desk" not in told


def test_a_key_opens_the_sections_that_it_can_show(world: World, url: str) -> None:
    memos = cited(world.memos, "s1")
    assert send(url, "GET", memos, key=limited(world))[0] == 200
    for only in ("endpoints/help", "knowledge/desk", "knowledge"):
        key = limited(world, only)
        assert send(url, "GET", cited(world.handbook), key=key)[0] == 200
        status, body, _ = send(url, "GET", memos, key=key)
        assert (status, f"only for {only}" in body["error"]["message"]) == (403, True)
        gone = memos.replace(world.memos.version or "", "0" * 64)
        assert send(url, "GET", gone, key=key)[1]["error"]["message"].endswith(fix(body))
        assert not world.catalog.audit(last=1)[0].allowed
    # An older version of what is shown is opened as well; labels hold as ever.
    key = limited(world, "endpoints/help")
    world.put("data/handbook", "newer")
    assert send(url, "GET", cited(world.handbook), key=key)[0] == 200
    world.catalog.access.set_label(world.handbook, Label.parse("it"), by="admin")
    assert send(url, "GET", cited(world.handbook), key=key)[0] == 403


def fix(body: dict) -> str:
    return body["error"]["message"].partition(": ")[2]


def test_an_operator_with_a_key_for_some_things_reads_no_metrics(world: World, url: str) -> None:
    world.catalog.access.apply({"ana": frozenset({"operator"})}, {}, by="admin")
    assert send(url, "GET", "/metrics", key=limited(world, "endpoints"))[0] == 403
    assert not world.catalog.audit(last=1)[0].allowed
    answer = requests.get(
        f"{url}/metrics",
        headers={"authorization": f"Bearer {limited(world, requests_per_minute=1)}"},
        timeout=20,
    )
    assert answer.status_code == 200


def test_requests_of_a_minute(world: World, url: str) -> None:
    key = limited(world, requests_per_minute=2)
    left = []
    for _ in range(2):
        status, _, headers = send(url, "POST", CHAT, chat(), key)
        left.append((status, headers["x-ratelimit-remaining-requests"]))
    assert left == [(200, "1"), (200, "0")]
    assert headers["x-ratelimit-limit-requests"] == "2"
    with (
        openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client,
        pytest.raises(openai.RateLimitError, match="2 times a minute") as caught,
    ):
        client.chat.completions.create(model="desk", messages=[])
    assert caught.value.body["type"] == "requests"
    told = caught.value.response.headers
    assert told["x-ratelimit-remaining-requests"] == "0"
    assert float(told["x-ratelimit-reset-requests"].rstrip("s")) > 0
    assert told["retry-after"]


def test_several_answers_count_as_so_many_requests(world: World, url: str) -> None:
    key = limited(world, requests_per_minute=3, tokens_per_day=1_000)
    status, body, headers = send(url, "POST", CHAT, chat(n=2), key)
    assert (status, headers["x-ratelimit-remaining-requests"]) == (200, "1")
    assert body["usage"]["prompt_tokens"] == 1, "a prompt counts once, as OpenAI has it"
    assert used(world) == (2, 6), "and is read twice"
    assert send(url, "POST", CHAT, chat(n=2), key)[0] == 429
    assert send(url, "POST", CHAT, chat(model="none", stream=True), key)[0] == 429


def test_a_stream_that_fails_at_once_says_what_is_left(world: World, url: str) -> None:
    key = limited(world, requests_per_minute=3)
    status, _, headers = send(url, "POST", CHAT, chat(model="none", stream=True), key)
    assert (status, headers["x-ratelimit-remaining-requests"]) == (404, "2")


def test_tokens_of_a_day(world: World, url: str) -> None:
    key = limited(world, tokens_per_day=5)
    status, _, headers = send(url, "POST", CHAT, chat(stream=False), key)
    assert (status, headers["x-ratelimit-remaining-tokens"]) == (200, "5")
    assert used(world) == (1, 3)
    sent = json.dumps({"model": "minilm", "input": "three more tokens"}).encode()
    assert send(url, "POST", "/v1/embeddings", sent, key)[0] == 200
    status, body, headers = send(url, "POST", CHAT, chat(), key)
    assert (status, body["error"]["code"]) == (429, "insufficient_quota")
    assert 0 < int(headers["retry-after"]) <= 86_400
    id = world.catalog.keys.list()[-1].id
    world.catalog.keys.change(id, by="admin", allowed=Limits(tokens_per_day=100))
    assert send(url, "POST", CHAT, chat(), key)[0] == 200


class Unhurried(Local):
    """Says how likely two texts are, and then, if it is told so, no more."""

    hangs = False
    read = 0

    async def score(self, text: object, *, top: int = 0) -> tuple[TokenScore, ...]:
        self.read += 1
        if self.hangs and self.read > 2:
            self.started.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.aborted.set()
        return await super().score(text, top=top)


def test_classifying_takes_a_turn_and_counts_what_it_reads(world: World, narrow: str) -> None:
    model = world.engines.models[world.analyst.version or ""] = Unhurried()
    key = limited(world, tokens_per_day=100_000)
    status, body, _ = send(narrow, "POST", "/v1/classify", BODIES["/v1/classify"], key)
    assert (status, used(world)[1]) == (200, body["usage"]["total_tokens"])
    spent, model.hangs, model.read = used(world)[1], True, 0
    connection = http.client.HTTPConnection(urlsplit(narrow).netloc, timeout=20)
    asked = b'{"model": "desk", "input": ["x"], "labels": ["c", "d", "e"]}'
    connection.request("POST", "/v1/classify", asked, {"Authorization": f"Bearer {key}"})
    assert model.started.wait(20)
    assert world.house.turnstile.rooms() == [("endpoints/desk", 1, 0)]
    connection.close()
    assert model.aborted.wait(20)
    until(lambda: not world.house.turnstile.rooms())
    assert used(world)[1] > spent


def test_turns_and_who_is_kept_out_are_told(world: World, narrow: str) -> None:
    world.catalog.access.apply(
        {"ana": frozenset({"buy-side"}), "op": frozenset({"operator"})}, {}, by="admin"
    )
    operator, key = world.key("op")[1], world.key("ana")[1]
    first = hanging(narrow, key)
    response = begun(first)
    second = hanging(narrow, key)
    until(lambda: world.house.turnstile.rooms() == [("endpoints/desk", 1, 1)])
    assert send(narrow, "POST", CHAT, chat(), key)[0] == 429
    found = scraped(narrow, operator)
    assert found["inhouse_turns_running", "endpoints/desk"] == 1
    assert found["inhouse_turns_waiting", "endpoints/desk"] == 1
    assert found["inhouse_limited_total", "overloaded", CHAT] == 1
    assert found["inhouse_requests_total", "", CHAT, "429"] == 1
    assert found["inhouse_shadows_sent_total",] == found["inhouse_shadows_dropped_total",] == 0
    second.close()
    response.close()
    first.close()


def hanging(url: str, key: str, **changes: object) -> http.client.HTTPConnection:
    """Begin a stream that hangs."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    messages = [{"role": "user", "content": "hang"}]
    body = chat(messages=messages, stream=True, **changes)
    connection.request("POST", CHAT, body, {"Authorization": f"Bearer {key}"})
    return connection


def begun(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    response = connection.getresponse()
    assert response.status == 200
    response.readline()
    return response


def test_requests_at_once_and_what_was_cut_off_is_counted(world: World, url: str) -> None:
    key = limited(world, concurrent=1, tokens_per_day=10_000)
    first = hanging(url, key)
    response = begun(first)
    status, body, headers = send(url, "POST", CHAT, chat(), key)
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert "under way at once" in body["error"]["message"]
    assert headers["retry-after"] == "1"
    assert headers["x-ratelimit-limit-tokens"] == "10000"
    response.close()
    first.close()
    until(lambda: send(url, "POST", CHAT, chat(), key)[0] == 200)
    assert used(world)[1] > 3


@pytest.fixture
def narrow(world: World) -> Iterator[str]:
    """A server where one is answered and one may wait, for two seconds in all."""
    world.house.turnstile = Turnstile(1, 1)
    with running(create_app(world.house, seconds=2)) as listening:
        yield listening.url


def test_a_queue_has_an_end_and_who_goes_away_leaves_it(world: World, narrow: str) -> None:
    _, key = world.key("ana")
    rooms = world.house.turnstile._rooms
    first = hanging(narrow, key)
    response = begun(first)
    second = hanging(narrow, key)
    until(lambda: len(rooms["endpoints/desk"].line) == 1)
    status, body, headers = send(narrow, "POST", CHAT, chat(), key)
    assert (status, body["error"]["code"], headers["retry-after"]) == (429, "overloaded", "5")
    assert send(narrow, "POST", "/v1/embeddings", BODIES["/v1/embeddings"], key)[0] == 200
    second.close()
    until(lambda: not rooms["endpoints/desk"].line)
    answered: list[int] = []
    third = threading.Thread(
        target=lambda: answered.append(send(narrow, "POST", CHAT, chat(), key)[0])
    )
    third.start()
    until(lambda: len(rooms["endpoints/desk"].line) == 1)
    response.close()
    first.close()
    third.join(20)
    assert answered == [200]
    until(lambda: not rooms)


def test_who_waited_is_decided_on_again(world: World, narrow: str) -> None:
    _, key = world.key("ana")
    first = hanging(narrow, key)
    response = begun(first)
    answered: list[int] = []
    second = threading.Thread(
        target=lambda: answered.append(send(narrow, "POST", CHAT, chat(), key)[0])
    )
    second.start()
    until(lambda: bool(world.house.turnstile._rooms["endpoints/desk"].line))
    world.catalog.access.set_label(world.memos, Label.parse("nobody"), by="admin")
    response.close()
    first.close()
    second.join(20)
    assert answered == [403]


def test_a_request_takes_no_longer_than_it_may(world: World, narrow: str) -> None:
    _, key = world.key("ana")
    hang = [{"role": "user", "content": "hang"}]
    status, body, _ = send(narrow, "POST", CHAT, chat(messages=hang), key)
    assert (status, body["error"]["code"]) == (504, "out_of_time")
    first = hanging(narrow, key)
    said = begun(first).read().decode()
    assert '"out_of_time"' in said
    assert "[DONE]" not in said
    first.close()
    until(lambda: send(narrow, "POST", CHAT, chat(), key)[0] == 200)
    assert all(model.aborted.is_set() for model in world.engines.models.values())
