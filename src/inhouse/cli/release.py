"""`inhouse release`: serve the version of an endpoint that waits, or an older one, or try it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_next, print_table
from inhouse.cli.trial import at, ended, plain, said
from inhouse.cli.trial import tell as tell_trial
from inhouse.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inhouse.catalog.releases import Release
    from inhouse.catalog.trials import Kind
    from inhouse.project.project import Project
    from inhouse.project.release import Change, Released


def release(
    endpoint: Annotated[str, typer.Argument(help="endpoints/NAME.")],
    version: Annotated[
        str | None,
        typer.Argument(help="Which version; what is tried, or the newest made, if left out."),
    ] = None,
    canary: Annotated[
        float | None,
        typer.Option("--canary", metavar="PERCENT", help="Only let it answer so many actors."),
    ] = None,
    shadow: Annotated[
        float | None,
        typer.Option(
            "--shadow", metavar="PERCENT", help="Only send it so many requests, and record."
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Only compare what is tried with what is served.")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="Only list the releases.")] = False,
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Serve a new version of an endpoint from the next request on, or try it first."""
    from inhouse.project.release import release as release_version

    asked = [canary is not None, shadow is not None, compare, history]
    if sum(asked) > 1:
        raise BadInput(
            "--canary, --shadow, --compare and --history exclude each other.", "Give one of them."
        )
    digits = (version or "").rpartition("@")[2]
    with opened(project, actor) as house:
        if history:
            _list(house, endpoint, as_json=as_json)
        elif compare:
            _compare(house, endpoint, as_json=as_json)
        elif canary is not None:
            _try(house, endpoint, digits, "canary", canary, as_json=as_json)
        elif shadow is not None:
            _try(house, endpoint, digits, "shadow", shadow, as_json=as_json)
        else:
            tell(release_version(house, endpoint, digits), as_json=as_json)


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
                "ended": plain(released.ended),
            }
        )
        return
    if released.ended:
        console.print(ended(released.ended))
    if released.ref == released.before and released.ended:
        console.print(f"{released.ref} is served to everybody.")
        print_next(f"inhouse release {released.ref.path} {released.ended.ref.version}")
        return
    if released.ref == released.before:
        console.print(f"{released.ref} is served already.")
        return
    console.print(f"{released.ref} is served from now on, instead of {released.before}.")
    for line in _lines(released.changes):
        console.print(line)
    print_next(f"inhouse rollback {released.ref.path}")


def _try(
    house: Project, endpoint: str, version: str, kind: Kind, percent: float, *, as_json: bool
) -> None:
    from inhouse.project.release import try_out

    tried = try_out(house, endpoint, version, kind=kind, percent=percent)
    tell_trial(tried, _lines(tried.changes), as_json=as_json)


def _compare(house: Project, endpoint: str, *, as_json: bool) -> None:
    from inhouse.cli.trial import tell_comparison
    from inhouse.project.comparing import compare

    tell_comparison(compare(house, endpoint), as_json=as_json)


def _lines(changes: Sequence[Change]) -> list[str]:
    return [escape(f"  {c.name}: {c.before} -> {c.after}") for c in changes]


def _list(house: Project, endpoint: str, *, as_json: bool) -> None:
    from inhouse.project.release import history

    releases = history(house, endpoint)
    trial = house.catalog.trials.of(releases[-1].ref) if releases else None
    if as_json:
        print_json({"releases": [_plain(each) for each in releases], "trial": plain(trial)})
        return
    standing = [each.number for each in releases if each.withdrawn is None]
    rows = [
        (str(each.ref), at(each.at), each.actor, _state(each, standing[-1:]))
        for each in reversed(releases)
    ]
    print_table(("version", "released", "by", "state"), rows)
    if trial:
        console.print(said(trial))


def _state(release: Release, served: list[int]) -> str:
    if release.withdrawn is not None:
        return f"rolled back {at(release.withdrawn)}"
    return "served" if release.number in served else ""


def _plain(release: Release) -> dict[str, Any]:
    return {
        "ref": f"{release.ref.path}@{release.ref.version}",
        "released": at(release.at),
        "by": release.actor,
        "rolled_back": None if release.withdrawn is None else at(release.withdrawn),
    }
