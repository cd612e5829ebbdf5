"""`inhouse serve`: the endpoints over HTTP."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from typing import Annotated

import typer

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, stderr


def serve(
    host: Annotated[
        str, typer.Option("--host", help="0.0.0.0 opens the door to other machines.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")
    ] = 8000,
    workers: Annotated[
        int,
        typer.Option("--workers", min=1, help="How many processes answer; each has its models."),
    ] = 1,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Serve the endpoints in OpenAI's dialect until Ctrl-C."""
    from inhouse.project.recording import recorder
    from inhouse.project.serving import app
    from inhouse.serve.server import listen, serve_on, url_of
    from inhouse.serve.workers import supervise

    log_to_stderr()
    with opened(project) as house, listen(host, port) as listener:
        url = url_of(listener)
        names = list(house.config.endpoints)
        missing = {name: key for name, key in house.keys.items() if not os.environ.get(key)}

        def ready() -> None:
            if as_json:
                # One line, at once: whoever started the server waits for it.
                about = {"url": url, "port": listener.getsockname()[1], "endpoints": names}
                print(json.dumps({**about, "missing_keys": missing}), flush=True)
            else:
                _warn(missing)
                _greet(url, names)

        if workers > 1:
            command = [sys.executable, "-m", "inhouse.cli.worker", str(project), str(workers)]
            supervise(listener, command, workers=workers, ready=ready)
            return
        with closing(recorder(house)) as sink:
            slow = house.config.serve.slow
            serve_on(listener, app(house, sink), ready=lambda _: ready(), slow_seconds=slow)


def log_to_stderr() -> None:
    """Show the log to whoever runs the server."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")


def _warn(missing: Mapping[str, str]) -> None:
    for name, variable in missing.items():
        stderr.print(
            f"[yellow]warning:[/] endpoints/{name} cannot answer: the environment variable "
            f"{variable} is not set"
        )


def _greet(url: str, names: list[str]) -> None:
    console.print(f"serving {', '.join(names) or 'no endpoints yet'} at {url}/v1  (Ctrl-C stops)")
    console.print("[dim]a key:[/]  inhouse keys create --actor NAME")
    if names:
        body = f'{{"model": "{names[0]}", "messages": [{{"role": "user", "content": "…"}}]}}'
        console.print(
            f"[dim]ask:[/]    curl {url}/v1/chat/completions -H 'Authorization: Bearer KEY' "
            f"-H 'Content-Type: application/json' -d '{body}'",
            markup=True,
        )
