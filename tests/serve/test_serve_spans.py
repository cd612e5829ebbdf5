"""Spans, as a collector gets them: over HTTP, in protobuf."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from serve_world import World, running
from test_serve_door import chat, send

from inhouse.serve.app import create_app

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from inhouse.serve.spans import Spans

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CANARY = "canary-91c2"


class Collector(ThreadingHTTPServer):
    """Decodes what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.bodies: list[bytes] = []

    def spans(self) -> dict[str, Any]:
        """Return the spans that came, by name."""
        found: dict[str, Any] = {}
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found |= {span.name: span for span in scope.spans}
        return found


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{made.server_port}")
        yield made
        made.shutdown()


def attributes(span: Any) -> dict[str, Any]:
    def value(it: Any) -> Any:
        kind = it.WhichOneof("value")
        return (
            [value(v) for v in it.array_value.values]
            if kind == "array_value"
            else getattr(it, kind)
        )

    return {each.key: value(each.value) for each in span.attributes}


def test_a_request_is_a_span_of_the_trace_that_it_belongs_to(
    world: World, collector: Collector
) -> None:
    _, ana = world.key("ana")
    spans = Spans()
    with running(create_app(world.house, watchers=[spans])) as listening:
        parent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        ask = chat(model="help", messages=[{"role": "user", "content": f"parents {CANARY}"}])
        status, _, headers = send(listening.url, "POST", "/v1/chat/completions", ask, ana, **parent)
        assert status == 200
    spans.close()
    found = collector.spans()
    root = found["POST /v1/chat/completions"]
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    assert attributes(root) == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "inhouse.request.id": headers["x-request-id"],
        "inhouse.endpoint": "help",
    }
    search = next(span for name, span in found.items() if name.startswith("retrieval "))
    assert attributes(search)["gen_ai.operation.name"] == "retrieval"
    assert attributes(search)["gen_ai.data_source.id"].startswith("knowledge/desk@")
    said = found["chat help"]
    told = attributes(said)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "inhouse"
    assert told["gen_ai.request.model"] == "help"
    assert told["gen_ai.response.model"] == world.base.pinned
    assert told["gen_ai.usage.input_tokens"] > 0
    assert told["gen_ai.usage.output_tokens"] > 0
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    for part in (search, said):
        assert part.parent_span_id == root.span_id
        assert part.trace_id == root.trace_id
        assert root.start_time_unix_nano <= part.start_time_unix_nano
        assert part.start_time_unix_nano <= part.end_time_unix_nano <= root.end_time_unix_nano
    assert abs(root.start_time_unix_nano / 1e9 - time.time()) < 60
    for body in collector.bodies:
        for secret in (CANARY, ana, "ana", "Parents get"):
            assert secret.encode() not in body


def test_embeddings_and_failures_are_spans(world: World, collector: Collector) -> None:
    _, ana = world.key("ana")
    spans = Spans()
    with running(create_app(world.house, watchers=[spans])) as listening:
        body = json.dumps({"model": "minilm", "input": ["one two", "three"]}).encode()
        assert send(listening.url, "POST", "/v1/embeddings", body, ana)[0] == 200
        ask = chat(messages=[{"role": "user", "content": "break"}])
        assert send(listening.url, "POST", "/v1/chat/completions", ask, ana)[0] == 500
    spans.close()
    found = collector.spans()
    told = attributes(found["embeddings models/minilm"])
    assert told["gen_ai.usage.input_tokens"] == 3
    assert told["gen_ai.response.model"] == world.minilm.pinned
    failed = found["chat desk"]
    assert (failed.status.code, attributes(failed)["error.type"]) == (2, "RuntimeError")
    assert attributes(found["POST /v1/chat/completions"])["error.type"] == "500"
    assert not any(b"a secret of the engine" in body for body in collector.bodies)


def test_a_trace_that_is_not_sampled_is_not_sent(world: World, collector: Collector) -> None:
    spans = Spans()
    with running(create_app(world.house, watchers=[spans])) as listening:
        send(listening.url, "GET", "/healthz", traceparent=f"00-{TRACE}-{PARENT}-00")
        send(listening.url, "GET", "/readyz", traceparent="nonsense")
    spans.close()
    assert collector.spans().keys() == {"GET /readyz"}


def test_a_collector_that_cannot_be_reached_holds_nobody_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("inhouse.serve.spans.STOP_SECONDS", 0.2)
    _, ana = world.key("ana")
    spans = Spans()
    with running(create_app(world.house, watchers=[spans])) as listening:
        for _ in range(3):
            assert send(listening.url, "POST", "/v1/chat/completions", chat(), ana)[0] == 200
    spans.close()


def test_the_server_loads_no_telemetry_unasked() -> None:
    program = (
        "import sys; import inhouse.cli.serve, inhouse.serve.app, inhouse.serve.server; "
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
