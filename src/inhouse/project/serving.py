"""A project's server: the app over its endpoints, with the limits that the project file sets.

Sockets and processes are the business of `inhouse.serve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inhouse.core.protocols import Sink
from inhouse.project.recording import traces

if TYPE_CHECKING:
    from inhouse.project.project import Project
    from inhouse.serve.door import App
    from inhouse.serve.seen import Watcher


def app(
    project: Project,
    sink: Sink,
    *,
    watchers: Sequence[Watcher] = (),
    workers: int = 1,
    folder: Path | None = None,
) -> App:
    """Return the app that one of so many workers serves; answers are recorded in `sink`.

    Where the project file says so, those that cannot be are given all the same.

    The `watchers` hear of every request; the workers find each other's metrics in a `folder`.
    """
    from inhouse.models import machine
    from inhouse.serve.app import create_app
    from inhouse.serve.lenient import Lenient
    from inhouse.serve.turnstile import Turnstile

    if project.config.traces.unwritable == "answer":
        sink = Lenient(sink)
    wanted, house = project.config.serve, project.house(sink)
    house.models.budget = (wanted.memory_bytes or machine.models_bytes()) // workers
    house.turnstile = Turnstile(-(-wanted.concurrent // workers), -(-wanted.queue // workers))
    served = create_app(
        house,
        max_body=wanted.body_bytes,
        seconds=wanted.seconds,
        feedback=traces(project),
        watchers=watchers,
        workers=folder,
    )
    served.readiness.open_first()
    return served
