"""What the log says of requests and failures, as lines of text or of JSON.

No line holds what was asked, answered or found, nor a key: of a failure it says the kind and the
place. Its message may quote a prompt, or what somebody's API said of one; it stands in the trace.
"""

from __future__ import annotations

import logging
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from traceback import walk_tb
from types import TracebackType
from typing import Any, Literal

import orjson

from inhouse.serve.seen import Seen

log = logging.getLogger(__name__)

Form = Literal["text", "json"]

Caught = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Line(logging.LogRecord):
    """What is logged of one request; without what nobody asks of it, such as its thread."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.name, self.levelno, self.levelname = __name__, logging.INFO, "INFO"
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        # Without the path where there is no such route: what stands in it is the caller's text.
        self.msg = (
            f"{seen.id} {seen.method} {seen.route} {seen.status} {seen.seconds * 1000:.0f} ms"
        )
        if seen.failure:
            self.msg += f" {seen.failure}"
        self.args = self.exc_info = self.exc_text = self.stack_info = None


def say(seen: Seen, scope: MutableMapping[str, Any]) -> None:
    """Log one line for a request; a `seen.Watcher`."""
    if log.isEnabledFor(logging.INFO):
        log.handle(Line(seen))


def configure(form: Form) -> None:
    """Let the log of this process go to the standard error, unless it goes somewhere already."""
    handler = logging.StreamHandler()
    handler.setFormatter(Json() if form == "json" else Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class Text(logging.Formatter):
    """Lines of text, without the messages of exceptions."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._second = (0, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of a line; those of one second are written alike."""
        second = int(record.created)
        if second != self._second[0]:
            told = time.strftime(self.default_time_format, self.converter(second))
            self._second = second, told
        return f"{self._second[1]},{record.msecs:03.0f}"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and lines for what was raised."""
        if isinstance(record, Line):
            return f"{self.formatTime(record)} {record.levelname} {record.msg}"
        record.exc_text = None  # of another handler, with the message
        return super().format(record)

    def formatException(self, ei: Caught) -> str:
        """Return the kinds of the errors and where they came from."""
        return "\n".join(places(ei[1])) if ei[1] else ""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line."""
        record.message = told(record)
        return super().formatMessage(record)


class Json(logging.Formatter):
    """One JSON object a line; times are in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC)
        found: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        seen = getattr(record, "seen", None)
        if isinstance(seen, Seen):
            found |= _request(seen)
        else:
            found |= {"logger": record.name, "message": told(record)}
        if record.exc_info and record.exc_info[1]:
            found["error"] = places(record.exc_info[1])
        return orjson.dumps(found, default=str).decode()


def told(record: logging.LogRecord) -> str:
    """Return what a record says.

    The event loop adds to its first line the task that failed, with the error's message.
    """
    message = record.getMessage()
    return message.partition("\n")[0] if record.name == "asyncio" else message


def places(error: BaseException) -> list[str]:
    """Return the kind of an error with the places it came through, then those of its causes."""
    lines: list[str] = []
    known: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in known:
        known.add(id(cause))
        lines.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        for frame, number in walk_tb(cause.__traceback__):
            code = frame.f_code
            lines.append(f"  {code.co_filename}:{number} {code.co_name}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return lines


def _request(seen: Seen) -> dict[str, Any]:
    found: dict[str, Any] = {
        "request": seen.id,
        "method": seen.method,
        "route": seen.route,
        "status": seen.status,
        "ms": round(seen.seconds * 1000, 1),
    }
    if seen.failure:
        found["failure"] = seen.failure
    if seen.endpoint:
        found["endpoint"] = seen.endpoint
    if seen.model:
        found["model"] = seen.model
    if seen.answers or seen.read:
        found["prompt_tokens"] = seen.read + sum(a.usage.prompt_tokens for a in seen.answers)
        found["completion_tokens"] = sum(a.usage.completion_tokens for a in seen.answers)
    if seen.answers:
        found["finish"] = [answer.finish for answer in seen.answers]
    return found
