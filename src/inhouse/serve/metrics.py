"""``GET /metrics``: counts and times of all requests since the start, and what the engines do now.

Labels are of things that exist and that the caller was admitted to: routes, endpoints, models.
Never is one the name of an actor, or text that somebody sent.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterator, MutableMapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics import disable_created_metrics
from prometheus_client.registry import Collector
from starlette.responses import Response

from inhouse.catalog import audit
from inhouse.core.access import Actor
from inhouse.core.errors import Refused, TooMany
from inhouse.models.engine import Stats
from inhouse.serve.house import House
from inhouse.serve.lenient import Lenient
from inhouse.serve.seen import Answer, Seen
from inhouse.serve.shadow import Shadows

OPERATOR = "operator"
"""The group whose members may read the metrics."""

LONG = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
ROUTED = ("route", "endpoint")
ANSWERED = ("endpoint", "model")
BY_ENGINE = ("engine", "version")


@runtime_checkable
class Measured(Protocol):
    """A model that says what it does."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def stats(self) -> Stats:
        """Say what it does and has done."""
        ...


async def require_operator(house: House, actor: Actor) -> None:
    """Do nothing if an actor may see what the server does.

    Raises:
        Refused: they may not. It goes on record.
    """
    if OPERATOR not in actor.groups or actor.only:
        await asyncio.to_thread(_refuse, house, actor)
        raise Refused(
            f"{actor.name} may not read the metrics.",
            f"It needs the group {OPERATOR!r} and a key for all, as they tell of all endpoints.",
        )


def _refuse(house: House, actor: Actor) -> None:
    with house.catalog.database.write() as connection:
        note = f"needs the group {OPERATOR}"
        audit.write(connection, actor.name, "read", "metrics", allowed=False, note=note)


class Metrics:
    """The metrics of one process; a `seen.Watcher`. It lives on the event loop."""

    def __init__(self, house: House, shadows: Shadows) -> None:
        # Without it each series has a second one, which no query needs.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = made = CollectorRegistry()
        self._requests = Counter(
            "inhouse_requests", "Requests that ended.", (*ROUTED, "status"), registry=made
        )
        self._limited = Counter(
            "inhouse_limited", "Requests that a limit kept out.", ("route", "reason"), registry=made
        )
        failed = "Requests that failed, also midway."
        self._failures = Counter("inhouse_failures", failed, ("route", "code"), registry=made)
        self._seconds = Histogram(
            "inhouse_request_seconds", "From a request to the end of its answer.", ROUTED,
            registry=made, buckets=LONG,
        )  # fmt: skip
        self._first = Histogram(
            "inhouse_first_token_seconds", "From a request to the first piece of an answer.",
            ANSWERED, registry=made, buckets=LONG,
        )  # fmt: skip
        self._between = Histogram(
            "inhouse_inter_token_seconds", "From token to token, the mean of each answer.",
            ANSWERED, registry=made, buckets=SHORT,
        )  # fmt: skip
        self._tokens = Counter(
            "inhouse_tokens", "Tokens read and written.", (*ANSWERED, "kind"), registry=made
        )
        self._cost = Counter(
            "inhouse_cost", "What answers cost.", (*ANSWERED, "unit"), registry=made
        )
        self._answers = Counter(
            "inhouse_answers", "Answers, by how they ended; refused is for want of support.",
            (*ANSWERED, "ending"), registry=made,
        )  # fmt: skip
        self._steps = Histogram(
            "inhouse_step_seconds", "Parts of the work, such as a retrieval.",
            ("step", "endpoint"), registry=made, buckets=LONG,
        )  # fmt: skip
        self._records = Histogram(
            "inhouse_record_seconds", "How long requests waited for their records.",
            registry=made, buckets=SHORT,
        )  # fmt: skip
        self._unrecorded = Counter(
            "inhouse_record_failures", "Records that could not be written.", registry=made
        )
        self._bind()
        _about(made)
        ProcessCollector(registry=made)
        made.register(_Engines(house))
        made.register(_Turns(house, shadows))

    def __call__(self, seen: Seen, scope: MutableMapping[str, Any]) -> None:
        """Count a request that has ended."""
        route, endpoint, model = seen.route, seen.endpoint, seen.model.partition("@")[0]
        self._requested(route, endpoint, seen.status).inc()
        self._took(route, endpoint).observe(seen.seconds)
        if seen.status == TooMany.status:
            self._limited.labels(route, seen.failure).inc()
        if seen.failure:
            self._failures.labels(route, seen.failure).inc()
        for answer in seen.answers:
            self._answered(seen, answer)
        if seen.read:
            self._counted(endpoint, model, "prompt").inc(seen.read)
        for step in seen.steps:
            self._stepped(step.kind, endpoint).observe(step.ended - step.started)
        for seconds in seen.records:
            self._records.observe(seconds)
        if seen.unrecorded:
            self._unrecorded.inc(seen.unrecorded)
        for by, unit, amount in seen.costs:
            self._cost.labels(endpoint, by.partition("@")[0], unit).inc(amount)

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self._registry)

    def _bind(self) -> None:
        """Keep the series that were found once: looking one up costs more than counting."""
        self._requested = cache(self._requests.labels)
        self._took = cache(self._seconds.labels)
        self._began = cache(self._first.labels)
        self._went_on = cache(self._between.labels)
        self._counted = cache(self._tokens.labels)
        self._ended = cache(self._answers.labels)
        self._stepped = cache(self._steps.labels)

    def _answered(self, seen: Seen, answer: Answer) -> None:
        model = str(answer.ours.get("model", seen.model)).partition("@")[0]
        names, usage = (seen.endpoint, model), answer.usage
        ending = "refused" if answer.ours.get("refused") else answer.finish
        self._ended(*names, ending if answer.ours else "cut off").inc()
        if usage.prompt_tokens:
            self._counted(*names, "prompt").inc(usage.prompt_tokens)
        if usage.completion_tokens:
            self._counted(*names, "completion").inc(usage.completion_tokens)
        if answer.first:
            self._began(*names).observe(answer.first - seen.started)
            if usage.completion_tokens > 1 and answer.last > answer.first:
                mean = (answer.last - answer.first) / (usage.completion_tokens - 1)
                self._went_on(*names).observe(mean)


class _Engines(Collector):
    """What the open engines do at the moment when somebody looks."""

    def __init__(self, house: House) -> None:
        self._house = house

    def collect(self) -> Iterator[Metric]:
        opened = self._house.opened()
        kinds = GaugeMetricFamily("inhouse_engines", "Engines that are open.", labels=("kind",))
        for kind, engines in opened.items():
            kinds.add_metric((kind,), len(engines))
        yield kinds
        models = self._house.models
        for name, what, size in (
            ("size", "Bytes of the models that are open.", models.size),
            ("budget", "Bytes that they may take together.", models.budget),
        ):
            yield GaugeMetricFamily(f"inhouse_models_{name}_bytes", what, value=size)
        found = [
            ((model.name, key[:8]), model.stats())
            for key, model in opened["model"].items()
            if isinstance(model, Measured)
        ]
        yield from _figures(found)

    def describe(self) -> Iterator[Metric]:
        return iter(())  # else it would be collected once before there is anything


class _Turns(Collector):
    """Who is answered and who waits at each thing, and what becomes of the shadows."""

    def __init__(self, house: House, shadows: Shadows) -> None:
        self._house = house
        self._shadows = shadows

    def collect(self) -> Iterator[Metric]:
        inside = GaugeMetricFamily(
            "inhouse_turns_running", "Requests that have their turn.", labels=("thing",)
        )
        waiting = GaugeMetricFamily(
            "inhouse_turns_waiting", "Requests that wait for theirs.", labels=("thing",)
        )
        for name, running, queued in self._house.turnstile.rooms():
            inside.add_metric((name,), running)
            waiting.add_metric((name,), queued)
        yield from (inside, waiting)
        if isinstance(sink := self._house.sink, Lenient):
            what = "Answers that were given without a record."
            yield CounterMetricFamily("inhouse_unrecorded", what, value=sink.unrecorded)
        shadows = self._shadows
        yield GaugeMetricFamily(
            "inhouse_shadows_running", "Shadows on their way.", value=shadows.in_flight
        )
        for name, what, count in (
            ("sent", "Requests that were sent to a shadow.", shadows.sent),
            ("dropped", "Requests that were not, for too many were on their way.", shadows.dropped),
        ):
            yield CounterMetricFamily(f"inhouse_shadows_{name}", what, value=count)
        tokens, costs = (
            CounterMetricFamily(f"inhouse_shadow_{name}", what, labels=(*ANSWERED, label))
            for name, what, label in (
                ("tokens", "Tokens that shadows read and wrote.", "kind"),
                ("cost", "What answers of shadows cost.", "unit"),
            )
        )
        for labels, amount in shadows.tokens.items():
            tokens.add_metric(labels, amount)
        for labels, cost in shadows.costs.items():
            costs.add_metric(labels, cost)
        yield from (tokens, costs)

    def describe(self) -> Iterator[Metric]:
        return iter(())


def _figures(found: Sequence[tuple[tuple[str, str], Stats]]) -> Iterator[Metric]:
    """Yield the figures of engines; what an engine does not tell is left out."""
    gauges = {
        "running": "Requests that are being answered.",
        "waiting": "Requests whose first token has not come.",
        "batch": "Requests in the last step of the model.",
        "cache": "Share of the cache for tokens in use, from 0 to 1.",
    }
    counters = {
        "requests": "Requests since the engine was opened.",
        "cached": "Tokens of prompts that were found in the prefix cache.",
        "retries": "Requests to somebody's API that were sent again.",
        "failures": "Requests to somebody's API that failed for good.",
    }
    for name, what in gauges.items():
        yield _filled(
            GaugeMetricFamily(f"inhouse_engine_{name}", what, labels=BY_ENGINE), name, found
        )
    for name, what in counters.items():
        yield _filled(
            CounterMetricFamily(f"inhouse_engine_{name}", what, labels=BY_ENGINE), name, found
        )


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily,
    name: str,
    found: Sequence[tuple[tuple[str, str], Stats]],
) -> Metric:
    # Two APIs of one endpoint may call their model the same: they are one series.
    sums: dict[tuple[str, str], float] = {}
    for labels, stats in found:
        value = getattr(stats, name)
        if value is not None:
            sums[labels] = sums.get(labels, 0) + value
    for labels, total in sums.items():
        family.add_metric(labels, total)
    return family


def _about(registry: CollectorRegistry) -> None:
    about = Gauge("inhouse_build_info", "What runs here.", ("version", "python"), registry=registry)
    about.labels(version("inhouse"), platform.python_version()).set(1)


class Exposition(Response):
    """A response in the text format of Prometheus."""

    media_type = CONTENT_TYPE_PLAIN_0_0_4
