"""``POST /v1/chat/completions``: an answer in OpenAI's shape, whole or streamed.

What is ours stands under the one key ``inhouse``.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from inhouse.core.access import Actor
from inhouse.core.protocols import Usage
from inhouse.serve.answer import Ending, answer
from inhouse.serve.bodies import ChatBody
from inhouse.serve.failures import Json
from inhouse.serve.house import House, Served, full


class Completion:
    """One answer on its way to one client."""

    def __init__(self, house: House, actor: Actor, body: ChatBody, *, request_id: str) -> None:
        self._house = house
        self._actor = actor
        self._body = body
        self._messages = [turn.message() for turn in body.messages]
        self._head = {
            "id": f"chatcmpl-{request_id}",
            "created": int(time.time()),
            "model": body.model,
        }

    async def whole(self) -> Json:
        """Return the answer in one piece."""
        async with (
            self._house.endpoint(self._body.model, self._actor) as served,
            aclosing(self._answer(served)) as parts,
        ):
            text = []
            async for part in parts:
                if isinstance(part, str):
                    text.append(part)
                else:
                    ending = part
            message = {"role": "assistant", "content": "".join(text)}
            choice = {"index": 0, "message": message, "finish_reason": ending.finish}
            content = {
                "object": "chat.completion",
                **self._head,
                "choices": [choice],
                "usage": _usage(ending.usage),
                "inhouse": _provenance(served, ending),
            }
            return Json(content, headers=_headers(served))

    async def events(self) -> AsyncGenerator[Mapping[str, Any], None]:
        """Give the headers, then the answer chunk by chunk."""
        async with (
            self._house.endpoint(self._body.model, self._actor) as served,
            aclosing(self._answer(served)) as parts,
        ):
            yield _headers(served)
            role = {"role": "assistant"}
            async for part in parts:
                if isinstance(part, str):
                    yield self._chunk({**role, "content": part})
                    role = {}
                    continue
                last = self._chunk(role, part.finish)
                yield {**last, "inhouse": _provenance(served, part)}
                if self._body.stream_options.include_usage:
                    yield {**last, "choices": [], "usage": _usage(part.usage)}

    def _answer(self, served: Served) -> AsyncGenerator[str | Ending, None]:
        access = self._house.catalog.access
        return answer(served, self._messages, self._body.sampling(), access=access)

    def _chunk(self, delta: Mapping[str, str], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"object": "chat.completion.chunk", **self._head, "choices": [choice]}


def _headers(served: Served) -> dict[str, str]:
    headers = {"x-inhouse-model": served.model_name}
    return {**headers, "x-inhouse-digest": served.digest} if served.digest else headers


def _provenance(served: Served, ending: Ending) -> dict[str, Any]:
    return {
        "endpoint": full(served.endpoint.ref),
        "model": served.model_name,
        "digest": served.digest,
        "label": str(ending.label),
        "query": ending.query,
        "support": ending.support,
        "refused": ending.refused,
        "usage_estimated": ending.usage.estimated,
        "citations": [asdict(citation) for citation in ending.citations],
    }


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
