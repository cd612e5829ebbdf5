"""One of several workers of `inhouse serve`: ``python -m inhouse.cli.worker FILE … SOCKET``.

Started by `inhouse.serve.workers` with the words of `inhouse.cli.serve`, and by nobody else.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from inhouse.cli.options import opened
from inhouse.cli.serve import Form, answer
from inhouse.cli.terminal import print_error
from inhouse.core.errors import InhouseError


def main(file: str, workers: str, folder: str, log: Form, drain: str, number: str) -> None:
    """Serve a project file on a socket that listens already, until SIGTERM."""
    from inhouse.serve.logs import configure
    from inhouse.serve.workers import end_with_parent, say_ready

    configure(log)
    with opened(Path(file)) as project:
        listener = socket.socket(fileno=int(number))
        end_with_parent()
        answer(
            project,
            listener,
            ready=say_ready,
            drain=float(drain),
            workers=int(workers),
            folder=Path(folder),
        )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])  # type: ignore[arg-type]
    except InhouseError as error:
        print_error(error, as_json=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # before it answered
        sys.exit(130)
