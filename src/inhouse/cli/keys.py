"""`inhouse keys`: make, change, list and revoke API keys."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_next, print_table

if TYPE_CHECKING:
    from inhouse.catalog.key import Key, Limits
    from inhouse.project.project import Project

app = typer.Typer(name="keys", help="Make, change, list and revoke API keys.", no_args_is_help=True)

ALL = "all"
LIMITS = ("requests_per_minute", "tokens_per_day", "concurrent")

Id = Annotated[str, typer.Argument(help="The id that `inhouse keys ls` shows.")]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        help="What it is for: endpoints/NAME, knowledge/NAME, models/NAME, or a whole section. "
        "May be given several times. [default: all that the actor may]",
        show_default=False,
    ),
]
PerMinute = Annotated[
    int | None, typer.Option("--requests-per-minute", min=0, help="0 is no limit.")
]
PerDay = Annotated[
    int | None,
    typer.Option("--tokens-per-day", min=0, help="Read and written, by UTC; 0 is no limit."),
]
Concurrent = Annotated[
    int | None, typer.Option("--concurrent", min=0, help="Requests at once; 0 is no limit.")
]


@app.command()
def create(
    actor: Annotated[str, typer.Option("--actor", "-a", help="Whose key it is.")],
    days: Annotated[float | None, typer.Option("--days", help="How long it lasts.")] = None,
    only: Only = None,
    requests_per_minute: PerMinute = None,
    tokens_per_day: PerDay = None,
    concurrent: Concurrent = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it once; only its hash is stored."""
    from inhouse.catalog.key import UNLIMITED

    with opened(project) as house:
        key, secret = house.catalog.keys.create(
            actor,
            by=house.actor_name,
            days=days,
            only=_known(house, only) or (),
            allowed=_changed(UNLIMITED, requests_per_minute, tokens_per_day, concurrent),
        )
        known = actor in house.groups
    if as_json:
        print_json({"id": key.id, "actor": actor, "key": secret} | _shown(key))
        return
    console.print(f"key {key.id} for {escape(actor)}, shown only now:")
    console.print(secret, style="bold", markup=False)
    _print_limits(key)
    if not known:
        console.print(
            f"{escape(actor)} is in no group of the project file: only what is open will answer."
        )
    print_next("inhouse serve")


@app.command()
def change(
    id: Id,
    only: Only = None,
    requests_per_minute: PerMinute = None,
    tokens_per_day: PerDay = None,
    concurrent: Concurrent = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Change what a key is for and its limits, from the next request on; the secret stays.

    What is not named stays as it is. `--only all` makes it a key for everything again.
    """
    with opened(project) as house:
        keys = house.catalog.keys
        before = keys.get(id).limits
        key = keys.change(
            id,
            by=house.actor_name,
            only=_known(house, only),
            allowed=_changed(before, requests_per_minute, tokens_per_day, concurrent),
        )
    if as_json:
        print_json({"id": id, "actor": key.actor} | _shown(key))
        return
    console.print(f"key {id} is changed.")
    _print_limits(key)


@app.command("ls")
def list_keys(project: ProjectFile = FILE, as_json: AsJson = False) -> None:
    """List the keys, without what is secret in them, and what those with limits used today."""
    from inhouse.catalog.spending import Spending

    with opened(project) as house:
        keys, spending = house.catalog.keys.list(), Spending(house.catalog.root)
    now = time.time()
    used = {key.id: spending.today(key, now) for key in keys if key.limited}
    if as_json:
        print_json({"keys": [_row(key, used.get(key.id)) for key in keys]})
        return
    columns = ("id", "actor", "created", "expires", "revoked", "only", "limits", "used today")
    print_table(columns, (_cells(key, used.get(key.id)) for key in keys), spare="created")


@app.command()
def revoke(id: Id, project: ProjectFile = FILE, as_json: AsJson = False) -> None:
    """Make a key useless from the next request on."""
    with opened(project) as house:
        house.catalog.keys.revoke(id, by=house.actor_name)
    if as_json:
        print_json({"id": id, "revoked": True})
        return
    console.print(f"key {id} is revoked.")


def _known(project: Project, only: list[str] | None) -> tuple[str, ...] | None:
    """Return what a key shall be for, each a thing of the project file."""
    from inhouse.core.errors import NotFound

    if not only or only == [ALL]:
        return None if only is None else ()
    for name in only:
        section, _, entry = name.partition("/")
        entries = getattr(project.config, section, {}) if entry else {entry: None}
        if isinstance(entries, dict) and entry not in entries:
            raise NotFound("entry", name, [f"{section}/{known}" for known in entries])
    return tuple(only)


def _changed(
    before: Limits, requests_per_minute: int | None, tokens_per_day: int | None, most: int | None
) -> Limits:
    """Return limits of which some are others now; 0 is none."""
    from dataclasses import replace

    wanted = dict(zip(LIMITS, (requests_per_minute, tokens_per_day, most), strict=True))
    given = {name: value or None for name, value in wanted.items() if value is not None}
    return replace(before, **given)


def _print_limits(key: Key) -> None:
    if key.only:
        console.print(f"only for: {', '.join(key.only)}", markup=False)
    if key.limited:
        console.print(f"limits: {key.limits}", markup=False)


def _shown(key: Key) -> dict[str, Any]:
    limits = {name: getattr(key.limits, name) for name in LIMITS}
    return {"expires": _time(key.expires), "only": list(key.only), "limits": limits}


def _row(key: Key, used: tuple[int, int] | None) -> dict[str, Any]:
    today = {"requests": used[0], "tokens": used[1]} if used else None
    times = {"created": _time(key.created), "revoked": _time(key.revoked)}
    return {"id": key.id, "actor": key.actor} | times | _shown(key) | {"used_today": today}


def _cells(key: Key, used: tuple[int, int] | None) -> list[str]:
    times = [_time(at) or "" for at in (key.created, key.expires, key.revoked)]
    limits = str(key.limits) if key.limited else ""
    today = f"{used[0]:,} requests, {used[1]:,} tokens" if used else ""
    return [key.id, key.actor, *times, " ".join(key.only), limits, today]


def _time(seconds: float | None) -> str | None:
    return (
        None
        if seconds is None
        else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    )
