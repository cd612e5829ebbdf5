"""Puts the verbs together and turns errors into one sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 the user's mistake, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Annotated

import typer
from typer.exceptions import TyperException

from inhouse import __version__
from inhouse.cli import (
    ask,
    diff,
    doctor,
    evaluate,
    explain,
    export,
    feedback,
    gc,
    init,
    keys,
    lineage,
    ls,
    models,
    plan,
    pull,
    release,
    rollback,
    run,
    search,
    serve,
    show,
    traces,
    why,
)
from inhouse.cli.terminal import print_error
from inhouse.core.errors import BadInput, InhouseError, StoreError

app = typer.Typer(
    name="inhouse",
    help="Build, serve and govern language models that your company owns.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Start with: inhouse init",
)
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Make": (
        init.init,
        doctor.doctor,
        plan.plan,
        run.run,
        pull.pull,
        models.models,
        evaluate.evaluate,
        ls.ls,
        show.show,
        explain.explain,
        diff.diff,
        export.export,
        lineage.lineage,
        gc.gc,
    ),
    "Use": (ask.ask, search.search, serve.serve, release.release, rollback.rollback),
    "Govern": (why.why, feedback.feedback),
}
for panel, verbs in PANELS.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)
for group in (keys.app, traces.app):
    app.add_typer(group, rich_help_panel="Govern")


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
) -> None:
    """Take the options that stand before the verb."""
    if debug:
        os.environ["INHOUSE_DEBUG"] = "1"


def main() -> None:
    """Run the verb in `sys.argv` and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a model may write what a code page lacks
    # Bytes that are no UTF-8 come in as half characters, which no text can hold.
    sys.argv[1:] = [word.encode("utf-8", "replace").decode() for word in sys.argv[1:]]
    as_json = "--json" in sys.argv
    try:
        with _delivered():
            # For a machine a mistake in the command line is an object like any other.
            sys.exit(app(standalone_mode=not as_json))
    except InhouseError as error:
        if os.environ.get("INHOUSE_DEBUG"):
            raise
        print_error(error, as_json=as_json)
        sys.exit(error.exit_code)
    except TyperException as error:
        print_error(BadInput(error.format_message(), "See: inhouse --help"), as_json=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if os.environ.get("INHOUSE_DEBUG"):
            raise
        what = f"{error.filename or 'The output'} cannot be used: {error.strerror}."
        failed = StoreError(what, "Check the path, its permissions and the space on that disk.")
        print_error(failed, as_json=as_json and error.filename is not None)
        sys.exit(failed.exit_code)


@contextmanager
def _delivered() -> Iterator[None]:
    """See to it that what was printed has left when the program ends."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if error.filename is None and sys.stdout is not None:
            # Nobody can take our output; Python would complain once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # whoever reads it has had enough
            sys.exit(1)
        raise
