"""``POST /v1/responses``: what one answer looks like in OpenAI's newer dialect.

Nothing is kept between requests, so a conversation is sent whole each time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from inhouse.catalog.access import Access
from inhouse.core.protocols import Piece, Usage
from inhouse.serve.answer import answer
from inhouse.serve.bodies import ResponseBody
from inhouse.serve.choices import Choice, Event
from inhouse.serve.house import Served
from inhouse.serve.recording import Parts

Status = Literal["in_progress", "completed", "incomplete"]


class ResponseDialect:
    """The dialect of one response; see `inhouse.serve.choices.Dialect`."""

    answers = each = 1

    def __init__(self, body: ResponseBody, access: Access, *, request_id: str) -> None:
        self._body = body
        self._access = access
        self.model = body.model
        self._id = f"resp_{request_id}"
        self._item = f"msg_{request_id}"
        self._created = int(time.time())
        self._number = -1

    def parts(self, served: Served) -> Sequence[Parts]:
        """Ask the endpoint."""
        body = self._body
        return [answer(served, body.messages(), body.sampling(), access=self._access)]

    def whole(self, choices: Sequence[Choice], usage: Usage) -> Event:
        """Return a ``response``."""
        (choice,) = choices
        item = self._message(_status(choice), [_text(choice.text)])
        return self._response(_status(choice), [item], _usage(usage)) | {"inhouse": choice.ours}

    def first(self) -> Iterable[Event]:
        """Yield that there is a response, and in it a message with a text."""
        empty = self._response("in_progress", [], None)
        yield self._event("created", response=empty)
        yield self._event("in_progress", response=empty)
        message = self._message("in_progress", [])
        yield self._event("output_item.added", output_index=0, item=message)
        yield self._in_text("content_part.added", part=_text(""))

    def more(self, choice: Choice, piece: Piece) -> Iterable[Event]:
        """Yield the text of a piece."""
        yield self._in_text("output_text.delta", delta=piece.text, logprobs=[])

    def last(self, choice: Choice) -> Iterable[Event]:
        """Yield the text and the message, now whole."""
        yield self._in_text("output_text.done", text=choice.text, logprobs=[])
        yield self._in_text("content_part.done", part=_text(choice.text))
        message = self._message(_status(choice), [_text(choice.text)])
        yield self._event("output_item.done", output_index=0, item=message)

    def done(self, choices: Sequence[Choice], usage: Usage) -> Iterable[Event]:
        """Yield the response, now whole."""
        yield self._event(_status(choices[0]), response=self.whole(choices, usage))

    def _event(self, kind: str, **more: object) -> dict[str, Any]:
        self._number += 1
        return {"type": f"response.{kind}", "sequence_number": self._number, **more}

    def _in_text(self, kind: str, **more: object) -> dict[str, Any]:
        return self._event(kind, item_id=self._item, output_index=0, content_index=0, **more)

    def _message(self, status: Status, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._item,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def _response(
        self, status: Status, output: list[dict[str, Any]], usage: dict[str, Any] | None
    ) -> dict[str, Any]:
        body = self._body
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        form = body.text.format
        shown = form.model_dump(by_alias=True, exclude_none=True) if form else {"type": "text"}
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": cut,
            "instructions": body.instructions or None,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "store": False,
            "temperature": body.temperature,
            "text": {"format": shown},
            "tool_choice": "none",
            "tools": [],
            "top_p": body.top_p,
            "truncation": "disabled",
            "usage": usage,
        }


def _status(choice: Choice) -> Status:
    return "incomplete" if choice.finish == "length" else "completed"


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
