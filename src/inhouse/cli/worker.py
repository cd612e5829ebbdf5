"""One of several workers of `inhouse serve`: ``python -m inhouse.cli.worker FILE WORKERS SOCKET``.

Started by `inhouse.serve.workers` and nobody else.
"""

from __future__ import annotations

import socket
import sys
from contextlib import closing
from pathlib import Path

from inhouse.cli.options import opened
from inhouse.cli.terminal import print_error
from inhouse.core.errors import InhouseError


def main(file: str, workers: str, number: str) -> None:
    """Serve a project file on a socket that listens already, until SIGTERM."""
    from inhouse.cli.serve import log_to_stderr
    from inhouse.project.recording import recorder
    from inhouse.project.serving import app
    from inhouse.serve.server import serve_on
    from inhouse.serve.workers import end_with_parent, say_ready

    log_to_stderr()
    with opened(Path(file)) as project, closing(recorder(project)) as sink:
        served = app(project, sink, workers=int(workers))
        listener = socket.socket(fileno=int(number))
        end_with_parent()
        slow = project.config.serve.slow
        serve_on(listener, served, ready=lambda _: say_ready(), slow_seconds=slow)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except InhouseError as error:
        print_error(error, as_json=False)
        sys.exit(error.exit_code)
