"""`inhouse run --watch`: runs again whenever a file changes that the data is made of."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from inhouse.cli.making import Ran, make, make_again, plain, told, waiting
from inhouse.cli.options import opened
from inhouse.cli.terminal import (
    console,
    error_as_plain,
    print_error,
    print_line,
    print_unlabelled,
    stderr,
)
from inhouse.core.errors import InhouseError

if TYPE_CHECKING:
    from inhouse.project.watch import Following, Snapshot


class Follower:
    """Runs a project once, then again at every change, until Ctrl-C or SIGTERM."""

    def __init__(
        self, file: Path, actor: str | None, target: str | None, *, strict: bool, as_json: bool
    ) -> None:
        self._file = file
        self._actor = actor
        self._target = target
        self._strict = strict
        self._as_json = as_json
        self._known: set[str] = set()

    def follow(self, *, loosen: bool) -> None:
        """Return when somebody ends it. Labels may loosen in the first run alone.

        Raises:
            InhouseError: the first run fails. Later ones are told of, and the next may mend it.
        """
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            following, seen = self._first(loosen)
            while True:
                following, seen = self._next(following, seen)
        except KeyboardInterrupt:
            stderr.print("Stopped following. What was done is kept.")

    def _first(self, loosen: bool) -> tuple[Following, Snapshot]:
        from inhouse.project.read import unlabelled
        from inhouse.project.watch import following

        with opened(self._file, self._actor) as house:
            if not self._as_json:
                print_unlabelled(unlabelled(house.config))
            followed = following(house, self._target)
            seen = followed.look()
            started = time.monotonic()
            ran = make(
                house,
                self._target,
                self._known,
                loosen=loosen,
                strict=self._strict,
                quiet=self._as_json,
            )
        fresh = sum(step.made.fresh for step in ran.followed)
        if self._as_json:
            self._line(ran, len(seen), started)
        else:
            console.print(f"{fresh} made, {len(ran.followed) - fresh} up to date.")
            self._say_waiting(ran)
            console.print(f"following {told('files', len(seen))}  (Ctrl-C stops)")
        return followed, seen

    def _next(self, followed: Following, seen: Snapshot) -> tuple[Following, Snapshot]:
        """Wait for a change and run; return what is followed from now on."""
        from inhouse.project.watch import changed, following

        now = followed.wait(seen)
        files, started = changed(seen, now), time.monotonic()
        try:
            with opened(self._file, self._actor) as house:
                # Looked at before the run: what changes while it goes on is for the next one.
                followed = following(house, self._target)
                now = followed.look()
                ran = make_again(
                    house, self._target, self._known, strict=self._strict, quiet=self._as_json
                )
        except InhouseError as error:
            if followed.look() != now:
                return followed, now  # an edit came in between, and the run for that comes next
            if self._as_json:
                print_line(error_as_plain(error))
            else:
                print_error(error, as_json=False)
        else:
            self._tell(ran, files, started)
        return followed, now

    def _tell(self, ran: Ran, files: int, started: float) -> None:
        if self._as_json:
            self._line(ran, files, started)
        else:
            seconds = time.monotonic() - started
            said = f"{told('files', files)} changed: {_work(ran)} ({seconds:.1f} s)"
            console.print(escape(said))
            self._say_waiting(ran)

    def _say_waiting(self, ran: Ran) -> None:
        """Say what waits for a release, once for each version."""
        for line in waiting(ran):
            if line not in self._known:
                self._known.add(line)
                console.print(line)

    def _line(self, ran: Ran, files: int, started: float) -> None:
        seconds = round(time.monotonic() - started, 3)
        print_line({"changed": files, "seconds": seconds} | plain(ran))


def _work(ran: Ran) -> str:
    fresh = [step.made.artifact for step in ran.followed if step.made.fresh]
    indexes = [artifact.summary for artifact in fresh if artifact.ref.section == "knowledge"]
    if indexes:
        embedded = sum(summary["embedded"] for summary in indexes)
        reused = sum(summary["reused"] for summary in indexes)
        return f"{told('passages', embedded)} embedded, {reused:,} reused"
    if fresh:
        return f"{len(fresh)} made"
    back = sum(step.planned.status == "will point to it" for step in ran.followed)
    return f"{back} back to versions that were there" if back else "nothing to make"
