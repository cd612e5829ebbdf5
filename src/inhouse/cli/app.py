"""Puts the verbs together and turns errors into one sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 the user's mistake, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from inhouse import __version__
from inhouse.cli import (
    ask,
    doctor,
    gc,
    init,
    keys,
    lineage,
    ls,
    models,
    plan,
    pull,
    run,
    search,
    serve,
    show,
    why,
)
from inhouse.cli.terminal import print_error
from inhouse.core.errors import InhouseError

app = typer.Typer(
    name="inhouse",
    help="Build, serve and govern language models that your company owns.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
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
        ls.ls,
        show.show,
        lineage.lineage,
        gc.gc,
    ),
    "Use": (ask.ask, search.search, serve.serve),
    "Govern": (why.why,),
}
for panel, verbs in PANELS.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)
app.add_typer(keys.app, rich_help_panel="Govern")


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
    try:
        app()
    except InhouseError as error:
        if os.environ.get("INHOUSE_DEBUG"):
            raise
        print_error(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has had enough; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
