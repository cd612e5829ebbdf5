"""Stands in for ``vllm serve`` where there is no GPU: its documented interface, and no model.

It answers with the token after the last one of the prompt and so on, up to a stop token, and
without one for ever; asked with the seed 99, it says how many have left it early, and with the
seeds 500 and 13 it fails; with 666 it quotes somebody and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

left: list[int] = []
UNAUTHORIZED = JSONResponse({"error": {"message": "Unauthorized"}}, 401)
FAILURES = {
    500: lambda: JSONResponse({"error": {"message": "out of slots"}}, 500),
    13: lambda: StreamingResponse(iter(["data: {nonsense\n\n"])),
}


def health(request: Request) -> Response:
    return Response()


def models(request: Request) -> Response:
    return Response() if admitted(request) else UNAUTHORIZED


def admitted(request: Request) -> bool:
    return request.headers.get("Authorization") == f"Bearer {os.environ['VLLM_API_KEY']}"


async def completions(request: Request) -> Response:
    body = await request.json()
    if not admitted(request):
        return UNAUTHORIZED
    if body.get("prompt_logprobs") is not None:
        return scores(body["prompt"])
    return FAILURES.get(body.get("seed"), lambda: answered(body))()


def answered(body: dict) -> Response:
    if body.get("structured_outputs", {}).get("grammar") == "nonsense":
        return JSONResponse({"error": {"message": "no such grammar"}}, 400)
    if body.get("seed") == 666:
        print("a secret of somebody", flush=True)
        os._exit(7)
    if body.get("seed") == 99:
        return StreamingResponse(iter([event(len(left), body), "data: [DONE]\n\n"]))
    return StreamingResponse(answer(body), media_type="text/event-stream")


def scores(prompt: list[int]) -> Response:
    if 13 in prompt:
        return Response(b"x" * 4096)
    rows = [{str(t): {"logprob": -1.0}, "4": {"logprob": -0.5}} for t in prompt[1:]]
    return JSONResponse({"choices": [{"prompt_logprobs": [None, *rows]}]})


async def answer(body: dict) -> AsyncIterator[str]:
    token = body["prompt"][-1]
    ended = False
    try:
        for _ in range(body["max_tokens"]):
            token += 1
            yield event(token, body)
            if token in body["stop_token_ids"] and len(body["prompt"]) > 1:
                break
            await asyncio.sleep(0.01)
        yield "data: [DONE]\n\n"
        ended = True
    finally:
        if not ended:
            left.append(token)


def event(token: int, body: dict) -> str:
    assert body["return_token_ids"]
    assert body["return_tokens_as_token_ids"]
    choice = {"index": 0, "text": "", "token_ids": [token], "logprobs": None}
    if body.get("logprobs") is not None:
        name, logprob = f"token_id:{token}", -(2 ** (7 - token)) + 0.0
        choice["logprobs"] = {
            "tokens": [name], "token_logprobs": [logprob], "top_logprobs": [{name: logprob}]
        }  # fmt: skip
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("verb", choices=["serve"])
    words.add_argument("folder")
    words.add_argument("--port", type=int)
    known, _ = words.parse_known_args()
    routes = [
        Route("/health", health),
        Route("/v1/models", models),
        Route("/v1/completions", completions, methods=["POST"]),
    ]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=known.port, log_level="warning")


if __name__ == "__main__":
    main()
