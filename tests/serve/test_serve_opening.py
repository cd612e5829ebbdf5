"""What is opened at the start: until then the server is not ready, but answers."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable

import pytest
from serve_world import World, running
from test_serve_door import chat, send

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotSetUp
from inhouse.core.label import Label
from inhouse.serve import opening
from inhouse.serve.app import create_app
from inhouse.serve.door import App


def opening_app(world: World) -> App:
    app = create_app(world.house)
    app.readiness.open_first()
    return app


def ready(url: str) -> tuple[int, str]:
    status, body, _ = send(url, "GET", "/readyz")
    return status, json.dumps(body)


def until(true: Callable[[], object]) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


class Slow:
    """Opens one model when it may, and all else at once."""

    def __init__(self, world: World, ref: Ref) -> None:
        self.go, self._inner, self._slow = threading.Event(), world.engines, ref

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def model(self, ref: Ref) -> object:
        if ref.path == self._slow.path:
            assert self.go.wait(20)
        return self._inner.model(ref)


def test_ready_only_when_all_is_open(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "inhouse.serve.opening")
    world.endpoint("endpoints/api", None, api={"url": "https://x", "name": "m"})
    world.house.loaders = slow = Slow(world, world.base)  # that of help, which has knowledge
    _, key = world.key("ana")
    with running(opening_app(world)) as listening:
        until(lambda: "2 of 3 endpoints are still opening" in ready(listening.url)[1])
        assert ready(listening.url)[0] == 503
        assert "help" not in ready(listening.url)[1]
        for name in ("api", "desk"):  # whoever asks is answered at once
            path = "/v1/chat/completions"
            assert send(listening.url, "POST", path, chat(model=name), key)[0] == 200
        slow.go.set()
        until(lambda: ready(listening.url) == (200, '{"status": "ready"}'))
    assert "Ready: 3 endpoints can answer" in caplog.text
    assert len(world.engines.opened) == 4, "three models and the knowledge, each once"


def test_what_cannot_be_opened_is_named_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PAUSE_SECONDS", 0.05)
    old = BadInput("The knowledge base has format 1.", "Make it again with `inhouse run`.")

    def outdated(ref: Ref) -> None:
        raise old

    with monkeypatch.context() as patched:
        patched.setattr(world.engines, "retriever", outdated)
        with running(opening_app(world)) as listening:
            until(lambda: ready(listening.url)[0] == 200)
            assert ready(listening.url)[1] == '{"status": "ready", "unopened": 1}'
            assert f"endpoints/help cannot answer: {old}" in caplog.text
            patched.undo()
            until(lambda: ready(listening.url)[1] == '{"status": "ready"}')


def test_not_ready_if_nothing_can_be_opened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unset(ref: Ref) -> None:
        raise NotSetUp("It needs the environment variable KEY.", "Set it.")

    monkeypatch.setattr(world.engines, "model", unset)
    with running(opening_app(world)) as listening:
        until(lambda: "no endpoint can be opened" in ready(listening.url)[1])
        assert ready(listening.url)[0] == 503


def test_what_does_not_fit_stays_closed(world: World) -> None:
    for name in ("endpoints/a", "endpoints/b", "models/larger"):
        world.catalog.access.set_label(Ref.parse(name), Label.OPEN, by="admin")
    world.endpoint("endpoints/a", world.put("models/a", "x" * 100))
    world.endpoint("endpoints/b", world.put("models/larger", "x" * 101))
    world.house.models.budget = 150
    with running(opening_app(world)) as listening:
        until(lambda: ready(listening.url) == (200, '{"status": "ready"}'))
        assert world.house.models.size <= 150
        assert not any("models/larger" in ref for ref in world.engines.opened)
        assert (
            send(
                listening.url, "POST", "/v1/chat/completions", chat(model="b"), world.key("ana")[1]
            )[0]
            == 200
        )
