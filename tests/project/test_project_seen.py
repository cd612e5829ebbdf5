"""What `inhouse serve` lets be seen: its log as JSON, its end, and spans if they are wanted."""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from project_processes import started
from small_project import inhouse

from inhouse.cli.serve import COLLECTOR, _spans
from inhouse.core.errors import MissingExtra

CANARY = "canary-55e0"


def status(url: str, key: str = "", body: bytes | None = None) -> int:
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_the_log_is_json_and_the_end_is_seen(made: Path) -> None:
    told = inhouse("keys", "create", "--actor", "ana", "--json", cwd=made.parent).stdout
    key = json.loads(told)["key"]
    words = ("serve", "--port", "0", "--json", "--log", "json", "--drain", "30")
    with started(*words, cwd=made.parent, SMALL_KEY=f"sk-{CANARY}") as server:
        url = json.loads(server.until('"url"'))["url"]
        ends = time.monotonic() + 60
        while status(f"{url}/readyz") != 200 and time.monotonic() < ends:
            time.sleep(0.02)
        assert status(f"{url}/readyz") == 200
        messages = [{"role": "user", "content": f"What is the price of {CANARY}?"}]
        body = json.dumps({"model": "desk", "messages": messages}).encode()
        assert status(f"{url}/v1/chat/completions", key, body) in (200, 502)
        assert status(f"{url}/{CANARY}", key) == 404
        server.process.send_signal(signal.SIGTERM)
        ends = time.monotonic() + 10
        while status(f"{url}/readyz") == 200 and time.monotonic() < ends:
            time.sleep(0.02)
        assert status(f"{url}/readyz") == 503
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        server.reading.join(10)
        said = list(server.lines.queue)
    lines = [json.loads(line) for line in said]
    assert {"GET /readyz", "POST /v1/chat/completions", "GET other"} == {
        f"{line['method']} {line['route']}" for line in lines if "route" in line
    }
    assert not [line for line in said if CANARY in line or key in line]


def test_nothing_is_sent_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in COLLECTOR:
        monkeypatch.delenv(name, raising=False)
    with _spans() as watchers:
        assert watchers == ()


def test_a_missing_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COLLECTOR[0], "http://127.0.0.1:9")
    monkeypatch.delitem(sys.modules, "inhouse.serve.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    with pytest.raises(MissingExtra, match=r"inhouse\[otlp\]"), _spans():
        pass
