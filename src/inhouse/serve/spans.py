"""Spans of requests for an OpenTelemetry collector, over OTLP/HTTP; needs the extra ``otlp``.

A span tells what `inhouse.serve.seen` holds, under the names of the conventions for generative
AI: models, tokens and times, and never what was asked or answered. Where they are sent, and with
which headers, is what the standard variables ``OTEL_EXPORTER_OTLP_…`` say.
"""

from __future__ import annotations

import os
import threading
from collections.abc import MutableMapping
from importlib.metadata import version
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from inhouse.serve.seen import Seen, Step

PARENT = ("traceparent", "tracestate")
LONGEST_PARENT = 1024
OPERATIONS = {
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
    "/v1/rerank": "rerank",
}
STOP_SECONDS = 5

Attributes = dict[str, str | int | float | tuple[str, ...]]


class Spans:
    """Makes spans of requests that have ended; a `seen.Watcher`.

    They wait in memory for a thread that sends them, and the oldest are dropped if it cannot: no
    request waits for a collector.
    """

    def __init__(self) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME") or "inhouse"
        about = {SERVICE_NAME: name, SERVICE_VERSION: version("inhouse")}
        # Neither is made known to the whole process: nothing but requests is told.
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        self._sending = BatchSpanProcessor(OTLPSpanExporter())
        self._provider.add_span_processor(self._sending)
        self._tracer = self._provider.get_tracer("inhouse", version("inhouse"))
        self._parents = TraceContextTextMapPropagator()

    def __call__(self, seen: Seen, scope: MutableMapping[str, Any]) -> None:
        """Make the span of a request, and one for each part of its work."""
        clock = int(seen.at * 1e9) - int(seen.started * 1e9)
        root = self._tracer.start_span(
            f"{seen.method} {seen.route}",
            self._parent(scope),
            SpanKind.SERVER,
            _of_request(seen),
            start_time=clock + int(seen.started * 1e9),
        )
        if root.is_recording():
            within = set_span_in_context(root, Context())
            for step in seen.steps:
                self._part(seen, step, within, clock)
        if seen.status >= 500 or not seen.status:
            _failed(root, str(seen.status or "cut off"))
        root.end(clock + int(seen.ended * 1e9))

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        # It waits longer for a collector that does not answer than a server takes to stop.
        ending = threading.Thread(target=self._sending.shutdown, daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)

    def _parent(self, scope: MutableMapping[str, Any]) -> Context:
        """Return the trace that a request belongs to, if its headers say so."""
        told = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name.decode("latin-1") in PARENT and len(value) <= LONGEST_PARENT
        }
        return self._parents.extract(told, Context())

    def _part(self, seen: Seen, step: Step, within: Context, clock: int) -> None:
        attributes = _of_step(seen, step)
        asked = attributes.get("gen_ai.request.model") or step.of
        span = self._tracer.start_span(
            f"{attributes['gen_ai.operation.name']} {asked}",
            within,
            SpanKind.CLIENT
            if attributes.get("gen_ai.provider.name") == "openai"
            else SpanKind.INTERNAL,
            attributes,
            start_time=clock + int(step.started * 1e9),
        )
        if step.failure:
            _failed(span, step.failure)
        span.end(clock + int(step.ended * 1e9))


def _of_request(seen: Seen) -> Attributes:
    found: Attributes = {
        "http.request.method": seen.method,
        "http.route": seen.route,
        "http.response.status_code": seen.status,
        "inhouse.request.id": seen.id,
    }
    if seen.endpoint:
        found["inhouse.endpoint"] = seen.endpoint
    if any(answer.ours.get("refused") for answer in seen.answers):
        found["inhouse.refused"] = True
    return found


def _of_step(seen: Seen, step: Step) -> Attributes:
    """Return what is told of a part; its tokens stand here alone, so that none counts twice."""
    if step.kind == "retrieval":
        return {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": step.of}
    model = step.of or seen.model
    found: Attributes = {
        "gen_ai.operation.name": OPERATIONS.get(seen.route, "chat"),
        # What has a version runs here; all else is behind an API of OpenAI's kind.
        "gen_ai.provider.name": "inhouse" if "@" in model else "openai",
        "gen_ai.request.model": seen.endpoint or model.partition("@")[0],
        "gen_ai.response.model": model,
    }
    if step.kind == "embedding":
        found["gen_ai.usage.input_tokens"] = seen.read
    elif step.usage:
        found["gen_ai.usage.input_tokens"] = step.usage.prompt_tokens
        found["gen_ai.usage.output_tokens"] = step.usage.completion_tokens
    if step.finish:
        found["gen_ai.response.finish_reasons"] = (step.finish,)
    return found


def _failed(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
