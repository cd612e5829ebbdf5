"""`inhouse keys`: make, list and revoke API keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_next, print_table

app = typer.Typer(name="keys", help="Make, list and revoke API keys.", no_args_is_help=True)


@app.command()
def create(
    actor: Annotated[str, typer.Option("--actor", "-a", help="Whose key it is.")],
    days: Annotated[float | None, typer.Option("--days", help="How long it lasts.")] = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it once; only its hash is stored."""
    with opened(project) as house:
        key, secret = house.catalog.keys.create(actor, by=house.actor_name, days=days)
        known = actor in house.groups
    if as_json:
        print_json({"id": key.id, "actor": actor, "key": secret, "expires": _time(key.expires)})
        return
    console.print(f"key {key.id} for {escape(actor)}, shown only now:")
    console.print(secret, style="bold", markup=False)
    if not known:
        console.print(
            f"{escape(actor)} is in no group of the project file: only what is open will answer."
        )
    print_next("inhouse serve")


@app.command("ls")
def list_keys(project: ProjectFile = FILE, as_json: AsJson = False) -> None:
    """List the keys, without what is secret in them."""
    with opened(project) as house:
        keys = house.catalog.keys.list()
    rows = [
        {
            "id": key.id,
            "actor": key.actor,
            "created": _time(key.created),
            "expires": _time(key.expires),
            "revoked": _time(key.revoked),
        }
        for key in keys
    ]
    if as_json:
        print_json({"keys": rows})
        return
    columns = ("id", "actor", "created", "expires", "revoked")
    print_table(columns, ([row[c] or "" for c in columns] for row in rows))


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="The id that `inhouse keys ls` shows.")],
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Make a key useless from the next request on."""
    with opened(project) as house:
        house.catalog.keys.revoke(id, by=house.actor_name)
    if as_json:
        print_json({"id": id, "revoked": True})
        return
    console.print(f"key {id} is revoked.")


def _time(seconds: float | None) -> str | None:
    return (
        None
        if seconds is None
        else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    )
