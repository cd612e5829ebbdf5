"""Keys, guards and the shapes in which requests are refused."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from urllib.parse import urlsplit

import numpy as np
import openai
import pytest
from serve_world import World

from inhouse.core.artifact import Ref
from inhouse.core.label import Label
from inhouse.serve.app import create_app
from inhouse.serve.static import FOLDER

Clients = Callable[[str], openai.OpenAI]


def send(
    url: str,
    method: str,
    path: str,
    body: bytes = b"",
    key: str = "",
    *,
    timeout: float = 20,
    **headers: str,
) -> tuple[int, dict[str, object], dict[str, str]]:
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        shown = {k.lower(): v for k, v in response.getheaders()}
        return response.status, json.loads(response.read()), shown
    finally:
        connection.close()


def chat(**changes: object) -> bytes:
    body = {"model": "desk", "messages": [{"role": "user", "content": "hi"}], **changes}
    return json.dumps(body).encode()


def test_every_route_has_a_guard(world: World, url: str) -> None:
    guards = {}
    for route in create_app(world.house).doors:
        guards[route.path] = route.guard
        if route.guard == "public":
            continue
        for method in route.methods - {"HEAD"}:
            status, body, headers = send(url, method, route.path)
            assert status == 401
            assert body["error"]["code"] == "invalid_api_key"
            assert headers["www-authenticate"].startswith("Bearer")
    files = {f"/page/{path.name}" for path in FOLDER.iterdir()} - {"/page/index.html"}
    public = {path for path, guard in guards.items() if guard == "public"}
    assert public == {"/", "/healthz", "/readyz", "/openapi.json"} | files


def test_every_use_route_decides(world: World, url: str) -> None:
    for thing in (world.minilm, world.handbook):
        world.catalog.access.set_label(thing, Label.parse("buy-side"), by="admin")
    _, key = world.key("cy")
    bodies = {
        "/v1/chat/completions": chat(),
        "/v1/completions": b'{"model": "desk", "prompt": "x"}',
        "/v1/responses": b'{"model": "desk", "input": "x"}',
        "/v1/embeddings": b'{"model": "models/minilm", "input": "x"}',
        "/v1/rerank": b'{"model": "models/minilm", "query": "x", "documents": ["x"]}',
        "/v1/classify": b'{"model": "desk", "input": "x", "labels": ["a", "b"]}',
        "/v1/search": b'{"knowledge": "desk", "query": "x"}',
    }
    for route in create_app(world.house).doors:
        # Who may give feedback is decided by whoever takes it.
        if route.guard == "use" and route.path != "/v1/feedback":
            path = f"/v1/sections?source={world.handbook.pinned}&id=s0"
            asked = ("GET", path) if "GET" in route.methods else ("POST", route.path)
            status, body, _ = send(url, *asked, bodies.get(route.path, b""), key)
            assert (status, body["error"]["type"]) == (403, "permission_error")
            assert not world.catalog.audit(last=1)[0].allowed
    assert world.engines.opened == []


def test_health_tells_nothing(url: str) -> None:
    status, body, _ = send(url, "GET", "/healthz")
    assert status == 200
    assert set(body) == {"status", "version"}


def test_models_are_those_the_actor_may_use(client: Clients) -> None:
    assert [m.id for m in client("ana").models.list()] == ["desk", "help", "minilm"]
    assert [m.id for m in client("cy").models.list()] == ["help", "minilm"]


def test_a_model_is_shown_by_its_name(world: World, url: str, client: Clients) -> None:
    world.catalog.access.set_label(Ref.parse("endpoints/desk.v2"), Label.OPEN, by="admin")
    world.endpoint("endpoints/desk.v2", world.analyst)
    _, key = world.key("ana")
    names = ["desk", "endpoints/desk", "desk.v2", "minilm", "models/minilm", "models%2Fminilm"]
    shown = [send(url, "GET", f"/v1/models/{name}", key=key) for name in names]
    assert [status for status, _, _ in shown] == [200] * len(names)
    ids = [body["id"] for _, body, _ in shown]
    assert ids == ["desk", "desk", "desk.v2", "minilm", "minilm", "minilm"]
    listed = client("ana").models.list().data
    assert client("ana").models.retrieve("desk.v2") in listed


def test_a_model_that_is_forbidden_is_as_none(url: str, client: Clients) -> None:
    for name in ("desk", "endpoints/desk", "dezk", "models/base", "a/b/../c", "x?"):
        with pytest.raises(openai.NotFoundError) as caught:
            client("cy").models.retrieve(name)
        assert caught.value.code == "model_not_found"
        assert caught.value.type == "invalid_request_error"
        assert "desk" not in caught.value.body["message"].replace(name, "")


def test_refusal_names_label_and_source(client: Clients) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client("cy").chat.completions.create(
            model="desk", messages=[{"role": "user", "content": "x"}], stream=True
        )
    assert "it carries buy-side, inherited from data/memos" in caught.value.body["message"]
    assert caught.value.code == "refused"


def test_unknown_names_reveal_only_what_is_allowed(world: World, client: Clients) -> None:
    for name, actor, told in [("dezk", "ana", "desk"), ("dezk", "cy", "help")]:
        with pytest.raises(openai.NotFoundError) as caught:
            client(actor).chat.completions.create(
                model=name, messages=[{"role": "user", "content": "x"}]
            )
        assert told in caught.value.body["message"]
        assert ("'desk'" in caught.value.body["message"]) == (actor == "ana")
    pinned = str(world.catalog.list()[2].ref)
    with pytest.raises(openai.NotFoundError) as caught:
        client("ana").chat.completions.create(
            model=pinned, messages=[{"role": "user", "content": "x"}]
        )
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client("ana").embeddings.create(model="models/base", input="x")


def test_revoked_and_unknown_keys(world: World, url: str) -> None:
    id, secret = world.key("ana")
    assert send(url, "POST", "/v1/chat/completions", chat(), secret)[0] == 200
    world.catalog.keys.revoke(id, by="admin")
    status, body, _ = send(url, "POST", "/v1/chat/completions", chat(), secret)
    assert status == 401
    assert "revoked" in body["error"]["message"]
    assert send(url, "GET", "/v1/models", key="ih-nobody")[0] == 401


def test_groups_taken_away_count_at_the_next_request(world: World, url: str) -> None:
    _, secret = world.key("ana")
    assert send(url, "POST", "/v1/chat/completions", chat(), secret)[0] == 200
    world.catalog.access.apply({}, {}, by="admin")
    assert send(url, "POST", "/v1/chat/completions", chat(), secret)[0] == 403


def test_a_bad_field_has_openais_shape(world: World, url: str) -> None:
    _, key = world.key("ana")
    status, body, _ = send(url, "POST", "/v1/chat/completions", chat(functions=[{}]), key)
    assert status == 400
    assert body["error"] == {
        "message": "The field 'functions' is not supported here. Leave it out.",
        "type": "invalid_request_error",
        "param": "functions",
        "code": "bad_input",
    }


def test_what_is_not_json(world: World, url: str) -> None:
    _, key = world.key("ana")
    status, shown, _ = send(url, "POST", "/v1/chat/completions", b"{", key)
    assert (status, shown["error"]["code"]) == (400, "bad_input")


def test_bodies_are_bounded(world: World, url: str) -> None:
    _, key = world.key("ana")
    large = chat(user="x" * 30_000)
    status, body, _ = send(url, "POST", "/v1/chat/completions", large, key)
    assert (status, body["error"]["code"]) == (413, "request_too_large")

    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:  # in pieces, with no length declared
        pieces = (large[i : i + 5000] for i in range(0, len(large), 5000))
        headers = {"Authorization": f"Bearer {key}"}
        connection.request("POST", "/v1/chat/completions", pieces, headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    finally:
        connection.close()


def test_wrong_method_and_path(url: str) -> None:
    status, body, headers = send(url, "GET", "/v1/chat/completions")
    assert (status, body["error"]["code"]) == (405, "method_not_allowed")
    assert headers["allow"] == "POST"
    for path in ("/v1/chat", "/v1/models/"):  # nobody is sent elsewhere, whatever Host says
        status, body, _ = send(url, "GET", path)
        assert (status, body["error"]["code"]) == (404, "not_found")


def test_a_question_is_needed_where_knowledge_is(client: Clients) -> None:
    with pytest.raises(openai.BadRequestError, match="no question"):
        client("ana").chat.completions.create(
            model="help", messages=[{"role": "assistant", "content": "x"}]
        )


def test_embeddings(world: World, url: str, client: Clients) -> None:
    made = client("cy").embeddings.create(model="models/minilm", input=["ab", "cde"])
    assert [d.embedding for d in made.data] == [[2, 1, 0, 0], [3, 1, 0, 0]]
    assert made.inhouse["model"] == f"models/minilm@{world.minilm.version}"
    _, key = world.key("cy")
    for form in ("float", "base64"):
        body = json.dumps({"model": "minilm", "input": "ab", "encoding_format": form}).encode()
        status, shown, headers = send(url, "POST", "/v1/embeddings", body, key)
        assert status == 200
        got = shown["data"][0]["embedding"]
        if form == "base64":
            got = np.frombuffer(base64.b64decode(got), "<f4").tolist()
        assert got == [2, 1, 0, 0]
        assert headers["x-inhouse-digest"] == world.catalog.get(world.minilm).digest
