"""`inhouse release`: serve the version of an endpoint that waits, or an older one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_next, print_table

if TYPE_CHECKING:
    from inhouse.catalog.releases import Release
    from inhouse.project.project import Project
    from inhouse.project.release import Released


def release(
    endpoint: Annotated[str, typer.Argument(help="endpoints/NAME.")],
    version: Annotated[
        str | None, typer.Argument(help="Which version; the newest made if left out.")
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Only list the releases.")] = False,
    project: ProjectFile = FILE,
    actor: As = "",
    as_json: AsJson = False,
) -> None:
    """Serve a new version of an endpoint from the next request on."""
    from inhouse.project.release import release as release_version

    with opened(project, actor) as house:
        if history:
            _list(house, endpoint, as_json=as_json)
            return
        released = release_version(house, endpoint, (version or "").rpartition("@")[2])
    tell(released, as_json=as_json)


def tell(released: Released, *, as_json: bool) -> None:
    """Say what is served from now on, and what that changes."""
    if as_json:
        print_json(
            {
                "served": f"{released.ref.path}@{released.ref.version}",
                "before": f"{released.before.path}@{released.before.version}",
                "changes": [
                    {"name": c.name, "before": c.before, "after": c.after} for c in released.changes
                ],
            }
        )
        return
    if released.ref == released.before:
        console.print(f"{released.ref} is served already.")
        return
    console.print(f"{released.ref} is served from now on, instead of {released.before}.")
    for change in released.changes:
        console.print(escape(f"  {change.name}: {change.before} -> {change.after}"))
    print_next(f"inhouse rollback {released.ref.path}")


def _list(house: Project, endpoint: str, *, as_json: bool) -> None:
    from inhouse.project.release import history

    releases = history(house, endpoint)
    if as_json:
        print_json({"releases": [_plain(each) for each in releases]})
        return
    standing = [each.number for each in releases if each.withdrawn is None]
    rows = [
        (str(each.ref), _time(each.at), each.actor, _state(each, standing[-1:]))
        for each in reversed(releases)
    ]
    print_table(("version", "released", "by", "state"), rows)


def _state(release: Release, served: list[int]) -> str:
    if release.withdrawn is not None:
        return f"rolled back {_time(release.withdrawn)}"
    return "served" if release.number in served else ""


def _plain(release: Release) -> dict[str, Any]:
    return {
        "ref": f"{release.ref.path}@{release.ref.version}",
        "released": _time(release.at),
        "by": release.actor,
        "rolled_back": None if release.withdrawn is None else _time(release.withdrawn),
    }


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
