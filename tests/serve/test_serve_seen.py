"""What can be seen of a server from outside: metrics, readiness and its log."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from serve_world import World, running
from test_serve_door import chat, send
from test_serve_recording import Full

from inhouse.core.access import Actor
from inhouse.core.label import Label
from inhouse.models import remote
from inhouse.observe.recorder import Recorder
from inhouse.serve.app import create_app
from inhouse.serve.logs import Json, Text
from inhouse.serve.metrics import Metrics
from inhouse.serve.readiness import FRESH_SECONDS
from inhouse.serve.recording import Asked
from inhouse.serve.seen import begin, kept
from inhouse.serve.shadow import Shadows

CANARY = "canary-7f3a"


@pytest.fixture
def operator(world: World) -> str:
    world.catalog.access.apply(
        {"ana": frozenset({"buy-side"}), "op": frozenset({"operator"})}, {}, by="admin"
    )
    return world.key("op")[1]


def scraped(url: str, key: str) -> dict[tuple[str, ...], float]:
    """Return the value of each series, by its name and the values of its labels."""
    answer = requests.get(f"{url}/metrics", headers={"authorization": f"Bearer {key}"}, timeout=20)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_only_operators_read_the_metrics(world: World, url: str, operator: str) -> None:
    assert send(url, "GET", "/metrics")[0] == 401
    status, body, _ = send(url, "GET", "/metrics", key=world.key("ana")[1])
    assert (status, body["error"]["code"]) == (403, "refused")
    entry = world.catalog.audit(last=1)[0]
    assert (entry.actor, entry.thing, entry.allowed) == ("ana", "metrics", False)
    assert scraped(url, operator)


def test_requests_and_tokens_are_counted(world: World, url: str, operator: str) -> None:
    _, ana = world.key("ana")
    for _ in range(2):
        assert send(url, "POST", "/v1/chat/completions", chat(), ana)[0] == 200
    send(url, "POST", "/v1/chat/completions", chat(model="nobody"), ana)
    send(url, "GET", f"/v1/{CANARY}", key=ana)
    found = scraped(url, operator)
    route, model = "/v1/chat/completions", "models/analyst"
    assert found["inhouse_requests_total", "desk", route, "200"] == 2
    assert found["inhouse_requests_total", "", route, "404"] == 1
    assert found["inhouse_requests_total", "", "other", "404"] == 1
    assert found["inhouse_request_seconds_count", "desk", route] == 2
    assert found["inhouse_first_token_seconds_count", "desk", model] == 2
    assert found["inhouse_inter_token_seconds_count", "desk", model] == 2
    assert found["inhouse_tokens_total", "desk", "prompt", model] == 2
    assert found["inhouse_tokens_total", "desk", "completion", model] == 4
    assert found["inhouse_answers_total", "stop", "desk", model] == 2
    assert found["inhouse_step_seconds_count", "desk", "generation"] == 2
    assert found["inhouse_engines", "model"] == 1
    assert any(name[0] == "inhouse_build_info" for name in found)
    told = {value for name in found for value in name}
    assert not told & {"ana", "op", "nobody", f"/v1/{CANARY}"}


async def test_a_cost_is_counted_at_the_model_that_took_it(world: World, tmp_path: Path) -> None:
    """Of several answers, each may be of another model of a chain."""
    recorder, metrics = Recorder(tmp_path / "traces"), Metrics(world.house, Shadows(world.house))
    seen = begin("1", "POST")
    seen.endpoint, seen.model = "desk", "last"
    for model in ("first", "last"):
        trace = Asked("1", "/", {}).lookup(Actor("ana"), world.base, Label.OPEN)
        await kept(recorder, replace(trace, model=model, cost=2.0, price="EUR"))
    recorder.close()
    metrics(seen, {})
    told = metrics.text().decode()
    for model in ("first", "last"):
        assert f'cost_total{{endpoint="desk",model="{model}",unit="EUR"}} 2.0' in told


def test_what_is_refused_and_retrieved_is_counted(world: World, url: str, operator: str) -> None:
    _, ana = world.key("ana")
    for question in ("parents", "xylophone"):
        messages = [{"role": "user", "content": question}]
        body = json.dumps({"model": "help", "messages": messages}).encode()
        assert send(url, "POST", "/v1/chat/completions", body, ana)[0] == 200
    found = scraped(url, operator)
    assert found["inhouse_answers_total", "refused", "help", "models/base"] == 1
    assert found["inhouse_step_seconds_count", "help", "retrieval"] == 2
    assert found["inhouse_engines", "knowledge"] == 1


def test_records_are_timed_and_counted(world: World, operator: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "store" / "traces")
    world.house.sink = recorder
    try:
        with running(create_app(world.house)) as listening:
            _, ana = world.key("ana")
            send(listening.url, "POST", "/v1/chat/completions", chat(), ana)
            world.house.sink = Full()
            assert send(listening.url, "POST", "/v1/chat/completions", chat(), ana)[0] == 503
            found = scraped(listening.url, operator)
    finally:
        recorder.close()
    assert found["inhouse_record_seconds_count",] == 1
    assert found["inhouse_record_failures_total",] >= 1


def test_ready_while_all_is_well(url: str) -> None:
    status, body, _ = send(url, "GET", "/readyz")
    assert (status, body) == (200, {"status": "ready"})


class Broken:
    """A sink that cannot write until it is mended."""

    mended = False

    async def record(self, trace: object) -> None:
        """Take nothing."""

    async def probe(self) -> None:
        if not self.mended:
            raise OSError(CANARY)


def test_not_ready_while_nothing_can_be_recorded(world: World) -> None:
    world.house.sink = sink = Broken()
    with running(create_app(world.house)) as listening:
        status, body, _ = send(listening.url, "GET", "/readyz")
        assert (status, body["error"]["code"]) == (503, "not_ready")
        assert "nothing can be recorded" in body["error"]["message"]
        assert CANARY not in json.dumps(body)
        assert send(listening.url, "GET", "/healthz")[0] == 200
        sink.mended = True
        time.sleep(FRESH_SECONDS + 0.1)
        assert send(listening.url, "GET", "/readyz")[0] == 200


async def test_the_recorder_is_probed_where_it_writes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "traces")
    try:
        await recorder.probe()
        assert recorder.healthy
    finally:
        recorder.close()


def test_not_ready_while_the_store_cannot_be_read(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(section: str) -> None:
        raise OSError(CANARY)

    monkeypatch.setattr(world.catalog, "heads", gone)
    status, body, _ = send(url, "GET", "/readyz")
    assert status == 503
    assert "the store cannot be read" in body["error"]["message"]
    assert CANARY not in json.dumps(body)


WORKER = """
import sys
from pathlib import Path
from serve_world import World
from inhouse.serve.app import create_app
from inhouse.serve.server import serve

app = create_app(World(Path(sys.argv[1])).house, workers=Path(sys.argv[2]))
serve(app, port=0, ready=lambda l: print(l.port, flush=True))
"""


def test_one_scrape_tells_of_all_workers(world: World, operator: str, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    command = [sys.executable, "-c", WORKER, str(tmp_path / "store"), str(folder)]
    here = Path(__file__).parent
    _, ana = world.key("ana")
    with ExitStack() as opened:
        workers, urls = [], []
        for _ in range(2):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here)
            workers.append(opened.enter_context(process))
            opened.callback(process.kill)
            assert process.stdout
            urls.append(f"http://127.0.0.1:{int(process.stdout.readline())}")
        world.catalog.access.apply(
            {"ana": frozenset({"buy-side"}), "op": frozenset({"operator"})}, {}, by="admin"
        )
        for url in (urls[0], urls[1], urls[1]):
            assert send(url, "POST", "/v1/chat/completions", chat(), ana)[0] == 200
        series = ("inhouse_requests_total", "desk", "/v1/chat/completions", "200")
        first, second = (str(worker.pid) for worker in workers)
        for url in urls:
            found = scraped(url, operator)
            assert (found[*series, first], found[*series, second]) == (1, 2)
        workers[0].kill()
        workers[0].wait()
        found = scraped(urls[1], operator)
        assert (*series, first) not in found
        assert found[*series, second] == 2


LEAVES = """
import sys
from pathlib import Path
from serve_world import World
from inhouse.serve.app import create_app
from inhouse.serve.server import Leaving, serve

app = create_app(World(Path(sys.argv[1])).house)
leaving = Leaving(app.readiness.leave, seconds=20)
serve(app, port=0, ready=lambda l: print(l.port, flush=True), leaving=leaving)
"""


def test_a_server_that_is_told_to_stop_says_so_and_answers_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LEAVES, str(tmp_path / "store")]
    here = Path(__file__).parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here) as process:
        assert process.stdout
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        assert send(url, "GET", "/readyz")[0] == 200
        process.send_signal(signal.SIGTERM)
        ends = time.monotonic() + 10
        while send(url, "GET", "/readyz")[0] == 200 and time.monotonic() < ends:
            time.sleep(0.02)
        status, body, _ = send(url, "GET", "/readyz")
        assert (status, "it is stopping" in body["error"]["message"]) == (503, True)
        assert send(url, "GET", "/healthz")[0] == 200
        process.send_signal(signal.SIGTERM)  # need not wait for the rest of the 20 seconds
        assert process.wait(15) == 0


@pytest.fixture
def lines() -> Iterator[list[tuple[str, dict[str, object]]]]:
    """What is logged, as text and as JSON."""
    found: list[tuple[str, dict[str, object]]] = []

    class Both(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = Text().format(record)
            found.append((text, json.loads(Json().format(record))))

    handler, root = Both(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(handler)
    root.setLevel(before)


class Provider(BaseHTTPRequestHandler):
    """Somebody's API: busy at the first request, and then it quotes the prompt in its refusal."""

    asked = 0

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["content-length"])).decode()
        type(self).asked += 1
        self.send_response(503 if self.asked == 1 else 400)
        self.end_headers()
        self.wfile.write(json.dumps({"error": {"message": f"cannot read {said}"}}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_what_an_api_says_of_a_prompt_is_not_logged(
    world: World, operator: str, lines: list[tuple[str, dict[str, object]]]
) -> None:
    ref = world.endpoint("endpoints/api", None, api={"url": "https://x", "name": "m"})
    _, ana = world.key("ana")
    Provider.asked = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        where = remote.Provider(f"http://127.0.0.1:{api.server_port}", "m", key=f"key-{CANARY}")
        patience = remote.Patience(pause=0.01)
        model = remote.RemoteModel("m", where, patience)
        world.engines.models[ref.version or ""] = model  # type: ignore[assignment]
        with running(create_app(world.house)) as listening:
            messages = [{"role": "user", "content": CANARY}]
            body = chat(model="api", messages=messages)
            status, told, shown = send(listening.url, "POST", "/v1/chat/completions", body, ana)
            found = scraped(listening.url, operator)
        api.shutdown()
    assert status == 502
    assert "The model 'm' answered 400." in told["error"]["message"]
    assert CANARY not in told["error"]["message"]
    place = f"Request {shown['x-request-id']} at 127.0.0.1:{api.server_port}: "
    assert any(place in text for text, _ in lines)
    version = (ref.version or "")[:8]
    assert found["inhouse_engine_retries_total", "m", version] == 1
    assert found["inhouse_engine_failures_total", "m", version] == 1
    assert found["inhouse_answers_total", "cut off", "api", "m"] == 1
    assert any(line.get("status") == 502 for _, line in lines)
    assert not [text for text, line in lines if CANARY in text + json.dumps(line)]


def test_a_request_is_one_line(
    world: World, url: str, lines: list[tuple[str, dict[str, object]]]
) -> None:
    _, ana = world.key("ana")
    send(url, "POST", "/v1/chat/completions", chat(), ana)
    ends, found = time.monotonic() + 20, []
    while not found:  # the line is written when the answer is sent
        assert time.monotonic() < ends
        found = [(t, j) for t, j in lines if j.get("route") == "/v1/chat/completions"]
    text, line = found[0]
    assert line.keys() >= {"time", "level", "request", "ms"}
    assert {k: line[k] for k in ("method", "status", "endpoint", "prompt_tokens", "finish")} == {
        "method": "POST", "status": 200, "endpoint": "desk", "prompt_tokens": 1, "finish": ["stop"],
    }  # fmt: skip
    assert f"{line['request']} POST /v1/chat/completions 200" in text
    assert "ana" not in line.values()


def test_a_failure_in_mid_stream_is_told(
    world: World, url: str, operator: str, lines: list[tuple[str, dict[str, object]]]
) -> None:
    _, ana = world.key("ana")
    route, messages = "/v1/chat/completions", [{"role": "user", "content": "break"}]
    body, key = chat(messages=messages, stream=True), {"Authorization": f"Bearer {ana}"}
    assert requests.post(url + route, body, headers=key, timeout=20).status_code == 200
    ends, line = time.monotonic() + 20, []
    while not line:  # it is written when the answer is sent
        assert time.monotonic() < ends
        line = [pair for pair in lines if pair[1].get("route") == route]
    found = scraped(url, operator)
    assert found["inhouse_failures_total", "internal_error", route] == 1
    (line,) = line
    assert line[0].endswith(" internal_error")
    assert (line[1]["status"], line[1]["failure"]) == (200, "internal_error")


def test_no_line_holds_what_was_said(
    world: World, lines: list[tuple[str, dict[str, object]]]
) -> None:
    _, ana = world.key("ana")
    with running(create_app(world.house)) as listening:
        for content in (CANARY, "break", "break at once"):
            for stream in (False, True):
                messages = [{"role": "user", "content": CANARY}]
                messages.append({"role": "user", "content": content})
                body = json.dumps({"model": "desk", "messages": messages, "stream": stream})
                _raw(listening.url, body, ana)
        _raw(listening.url, json.dumps({"model": CANARY, "messages": []}), ana)
        _raw(listening.url, "{" + CANARY, ana)
        send(listening.url, "GET", f"/{CANARY}?key={ana}", key=ana)
        send(listening.url, "GET", "/v1/models", key=f"ih-{CANARY}")
    said = [text + json.dumps(line) for text, line in lines]
    assert any("RuntimeError" in each for each in said)  # failures are told, by kind and place
    assert not [each for each in said if CANARY in each or ana in each]
    assert not [each for each in said if "a secret of the engine" in each]


def _raw(url: str, body: str, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    requests.post(f"{url}/v1/chat/completions", data=body, headers=headers, timeout=20)
