"""`inhouse serve`: the endpoints over HTTP."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, stderr
from inhouse.core.errors import MissingExtra

if TYPE_CHECKING:
    import socket

    from inhouse.project.project import Project
    from inhouse.serve.seen import Watcher

Form = Literal["text", "json"]
log = logging.getLogger(__name__)

COLLECTOR = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


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
    log: Annotated[
        Form, typer.Option("--log", help="How the log is written; never with what was asked.")
    ] = "text",
    drain: Annotated[
        int,
        typer.Option(
            "--drain",
            min=0,
            help="Seconds to go on answering after SIGTERM, while /readyz says 503 already.",
        ),
    ] = 0,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Serve the endpoints in OpenAI's dialect until Ctrl-C."""
    from inhouse.serve.logs import configure
    from inhouse.serve.server import listen
    from inhouse.serve.workers import supervise

    configure(log)
    with opened(project) as house, listen(host, port) as listener:
        ready = partial(_announce, house, listener, as_json=as_json)
        if workers == 1:
            answer(house, listener, ready=ready, drain=drain)
            return
        # Each worker has a socket in there: its path may have a hundred letters.
        with tempfile.TemporaryDirectory(prefix="inhouse-") as folder:
            words = (str(project), str(workers), folder, log, str(drain))
            command = [sys.executable, "-P", "-m", "inhouse.cli.worker", *words]
            supervise(listener, command, workers=workers, ready=ready, drain_seconds=drain)


def answer(
    project: Project,
    listener: socket.socket,
    *,
    ready: Callable[[], None],
    drain: float,
    workers: int = 1,
    folder: Path | None = None,
) -> None:
    """Answer on a socket that listens, as one of so many workers, until SIGTERM.

    Each of several finds the metrics of the others in a `folder`.
    """
    from inhouse.project.recording import recorder
    from inhouse.project.serving import app
    from inhouse.serve.server import Clients, Leaving, serve_on

    with closing(recorder(project)) as sink, _spans() as watchers:
        served = app(project, sink, watchers=watchers, workers=workers, folder=folder)
        leaving = Leaving(served.readiness.leave, drain)
        wanted = project.config.serve
        serve_on(
            listener,
            served,
            ready=lambda _: ready(),
            clients=Clients(wanted.slow, -(-wanted.connections // workers)),
            leaving=leaving,
        )


@contextmanager
def _spans() -> Iterator[Sequence[Watcher]]:
    """Give what tells a collector of requests, if there is one: nothing is sent unasked.

    Raises:
        MissingExtra: the extra is not installed.
    """
    if not any(map(os.environ.get, COLLECTOR)):
        yield ()
        return
    try:
        from inhouse.serve.spans import Spans
    except ModuleNotFoundError as error:
        raise MissingExtra(f"{COLLECTOR[0]}, which is set,", "otlp") from error
    with closing(Spans()) as spans:
        yield (spans,)


def _announce(project: Project, listener: socket.socket, *, as_json: bool) -> None:
    """Say where the server is, and what keeps it from answering."""
    from inhouse.serve.server import url_of

    url, endpoints, missing = url_of(listener), project.config.endpoints, _missing(project)
    lenient = project.config.traces.unwritable == "answer"
    if lenient:
        log.warning("What cannot be recorded is answered WITHOUT A RECORD: traces.unwritable")
    if as_json:
        # One line, at once: whoever started the server waits for it.
        port = listener.getsockname()[1]
        about = {"url": url, "port": port, "endpoints": list(endpoints), "missing_keys": missing}
        about |= {"unwritable": "answer"} if lenient else {}
        print(json.dumps(about), flush=True)
        return
    several = {name for name, entry in endpoints.items() if len(entry.models) > 1}
    _warn(missing, several)
    _greet(url, list(endpoints))


def _missing(project: Project) -> dict[str, str]:
    """Return the variables with keys of APIs that are not set, by endpoint."""
    from inhouse.project.bought import keys

    wanted = {
        name: [variable for variable in variables if not os.environ.get(variable)]
        for name, variables in keys(project.config).items()
    }
    return {name: ", ".join(variables) for name, variables in wanted.items() if variables}


def _warn(missing: Mapping[str, str], several: Collection[str]) -> None:
    for name, variable in missing.items():
        what = "cannot ask all its models" if name in several else "cannot answer"
        stderr.print(
            f"[yellow]warning:[/] endpoints/{name} {what}: the environment variable "
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
