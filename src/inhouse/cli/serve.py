"""`inhouse serve`: the endpoints over HTTP."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, stderr

if TYPE_CHECKING:
    from inhouse.serve.server import Listening


def serve(
    host: Annotated[
        str, typer.Option("--host", help="0.0.0.0 opens the door to other machines.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")
    ] = 8000,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Serve the endpoints in OpenAI's dialect until Ctrl-C."""
    from inhouse.project.recording import recorder, traces
    from inhouse.serve.app import create_app
    from inhouse.serve.server import serve as run_server

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with opened(project) as house:
        names = list(house.config.endpoints)
        missing = {name: key for name, key in house.keys.items() if not os.environ.get(key)}

        def ready(listening: Listening) -> None:
            if as_json:
                # One line, at once: whoever started the server waits for it.
                about = {"url": listening.url, "port": listening.port, "endpoints": names}
                print(json.dumps({**about, "missing_keys": missing}), flush=True)
            else:
                _warn(missing)
                _greet(listening.url, names)

        with closing(recorder(house)) as sink:
            app = create_app(house.house(sink), feedback=traces(house))
            run_server(app, host=host, port=port, ready=ready)


def _warn(missing: Mapping[str, str]) -> None:
    for name, variable in missing.items():
        stderr.print(
            f"[yellow]warning:[/] endpoints/{name} cannot answer: the environment variable "
            f"{variable} is not set"
        )


def _greet(url: str, names: list[str]) -> None:
    console.print(f"serving {', '.join(names) or 'no endpoints yet'} at {url}/v1  (Ctrl-C stops)")
    console.print(f"[dim]a page:[/] {url}")
    console.print("[dim]a key:[/]  inhouse keys create --actor NAME")
    if names:
        body = f'{{"model": "{names[0]}", "messages": [{{"role": "user", "content": "…"}}]}}'
        console.print(
            f"[dim]ask:[/]    curl {url}/v1/chat/completions -H 'Authorization: Bearer KEY' "
            f"-H 'Content-Type: application/json' -d '{body}'",
            markup=True,
        )
