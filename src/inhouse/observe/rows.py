"""A trace as a row: columns for what is filtered and decided by, and JSON for the rest.

Where rows lie is not its business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import orjson

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.core.nouns import Trace, TraceState

DAY_SECONDS = 86_400
END_SECONDS = 253_402_300_800  # of the year 9999
BODY = (
    "route",
    "digest",
    "request",
    "answer",
    "error",
    "finish",
    "sections",
    "prompt_tokens",
    "completion_tokens",
    "first_token_seconds",
    "seconds",
    "cost",
    "price",
    "extra",
)


class Row(NamedTuple):
    """One trace as it lies in a file; `sources` are pinned references with spaces between."""

    id: str
    at: float
    actor: str
    endpoint: str
    model: str
    state: str
    label: str
    sources: str
    body: str

    @property
    def trace(self) -> Trace:
        """The trace itself."""
        body = orjson.loads(self.body)
        body["sections"] = tuple(body["sections"])
        return Trace(
            id=self.id,
            at=self.at,
            actor=self.actor,
            endpoint=Ref.parse(self.endpoint) if self.endpoint else None,
            model=self.model,
            state=cast(TraceState, self.state),
            label=Label.parse(self.label),
            sources=tuple(map(Ref.parse, self.sources.split())),
            **body,
        )


def row_of(trace: Trace) -> Row:
    """Return the row of a trace.

    Raises:
        BadInput: something in it is no JSON, such as half a character, or its time is none.
    """
    try:
        body = orjson.dumps({name: getattr(trace, name) for name in BODY}, default=dict)
    except TypeError as error:
        raise BadInput(
            f"Trace {trace.id!r} cannot be written as JSON: {error}.",
            "Record plain values: texts of whole characters, numbers, lists and mappings.",
        ) from error
    row = Row(
        trace.id,
        trace.at,
        trace.actor,
        trace.endpoint.pinned if trace.endpoint else "",
        trace.model,
        trace.state,
        str(trace.label),
        " ".join(source.pinned for source in trace.sources),
        body.decode(),
    )
    check_texts((row.id, *row[2:8]))
    if not 0.0 <= trace.at < END_SECONDS:
        raise BadInput(
            f"Trace {trace.id!r} came at {trace.at}, which is on no day.",
            "Give the time in seconds since 1970.",
        )
    return row


def check_texts(values: Iterable[object]) -> None:
    """Do nothing if every text among some values has whole characters only.

    Raises:
        BadInput: one has half a character, or a byte that is no text.
    """
    for value in values:
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise BadInput(
                f"{value!r} is no text that can be written.", "Use whole characters, in UTF-8."
            ) from None


def plain(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON-able values, references with all digits."""
    found = {each.name: getattr(trace, each.name) for each in fields(Trace)}
    return found | {
        "label": str(trace.label),
        "endpoint": trace.endpoint.pinned if trace.endpoint else None,
        "sources": [source.pinned for source in trace.sources],
        "sections": list(trace.sections),
    }


def day_of(at: float) -> str:
    """Return the day, in UTC, of a time in seconds since 1970."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def start_of(day: str) -> float:
    """Return when a day begins, in seconds since 1970."""
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()


def texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield every text in a JSON-able value, but for the keys of its mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)
