"""`inhouse run`: make what is not there, and only that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.progress import Shown, shown
from inhouse.cli.terminal import console, metrics, print_json, print_next, size, stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inhouse.catalog import Made
    from inhouse.core.artifact import Ref
    from inhouse.core.stage import Progress
    from inhouse.project.plan import Planned
    from inhouse.project.project import Followed, Project


TOLD = 3


def run(
    target: Annotated[
        str | None, typer.Argument(help="section/name; everything if left out.")
    ] = None,
    loosen: Annotated[
        bool, typer.Option("--loosen", help="Let labels in the project file loosen.")
    ] = False,
    project: ProjectFile = FILE,
    actor: As = "",
    as_json: AsJson = False,
) -> None:
    """Make what the project file asks for and is not there yet."""
    with opened(project, actor) as house:
        try:
            with shown(quiet=as_json) as display:
                observer = _Observer(display, house)
                followed = house.run(target, loosen=loosen, observer=observer)
        except KeyboardInterrupt:
            stderr.print("Stopped. What was done is kept; go on with: inhouse run")
            raise typer.Exit(130) from None
        endpoints = list(house.config.endpoints)
    if as_json:
        print_json(_plain(followed) | {"retired": observer.retired})
        return
    fresh = sum(step.made.fresh for step in followed)
    console.print(f"{fresh} made, {len(followed) - fresh} up to date.")
    if endpoints:
        print_next(f'inhouse ask {endpoints[0]} "your question"', "inhouse serve")
    else:
        print_next("inhouse ls")


class _Observer:
    """Shows each step that is made, and says a line when it is done."""

    def __init__(self, display: Shown, house: Project) -> None:
        self._display = display
        self._house = house
        self.retired: list[str] = []

    def begin(self, planned: Planned) -> Progress:
        if planned.status != "will be made":
            return lambda done, total, unit: None
        return self._display.task(f"{planned.step.path}: {planned.reason}")

    def end(self, planned: Planned, made: Made) -> None:
        if made.fresh:
            self._display.say(f"made {_line(made)}")
            left_out = self._house.left_out(made.artifact)
            for file in left_out[:TOLD]:
                self._display.say(f"  left out {file['path']}: {file['reason']}")
            if len(left_out) > TOLD:
                self._display.say(
                    f"  and {len(left_out) - TOLD} more: inhouse show {made.artifact.ref.path}"
                )

    def retire(self, ref: Ref) -> None:
        self.retired.append(ref.path)
        self._display.say(f"out of service: {ref.path}")


def _line(made: Made) -> str:
    artifact = made.artifact
    facts = [_told(name, value) for name, value in artifact.summary.items() if _tells(name, value)]
    if artifact.size:
        facts.append(size(artifact.size))
    return f"{artifact.ref}  {', '.join(facts)}  ({artifact.seconds:.1f} s)"


def _tells(name: str, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and name != "bytes" and value > 0


def _told(name: str, value: int) -> str:
    noun = name.replace("_", " ")
    return f"{value:,} {noun.removesuffix('s') if value == 1 else noun}"


def _plain(followed: Sequence[Followed]) -> dict[str, Any]:
    return {
        "steps": [
            {
                "ref": f.planned.step.path,
                "version": f.made.artifact.ref.version,
                "digest": f.made.artifact.digest,
                "made": f.made.fresh,
                "seconds": f.made.artifact.seconds if f.made.fresh else 0.0,
                "summary": dict(f.made.artifact.summary),
                "metrics": metrics(f.made.artifact.summary),
            }
            for f in followed
        ]
    }
