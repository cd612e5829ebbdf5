"""`inhouse diff`: the rows that two versions of a data set do not share, and why."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_table

SHOWN = 20


def diff(
    before: Annotated[str, typer.Argument(help="data/NAME@version.")],
    after: Annotated[str, typer.Argument(help="data/NAME, or another version of it.")],
    actor: As = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Compare two versions of a data set, row by row, and their steps."""
    from inhouse.core.artifact import Ref
    from inhouse.project.rows import differ

    with opened(project, actor) as house:
        found = differ(house, Ref.parse(before), Ref.parse(after))
    if as_json:
        print_json(
            {"before": str(found.before), "after": str(found.after), "same": found.same}
            | {"added": found.added, "changed": found.changed, "removed": found.removed}
            | {"steps": found.steps}
        )
        return
    console.print(f"{found.before} -> {found.after}")
    for line in found.steps:
        console.print(escape(line))
    counts = (len(found.added), len(found.removed), len(found.changed), found.same)
    print_table(("added", "removed", "changed", "same"), [[f"{number:,}" for number in counts]])
    reasons = Counter(reason or "not in the source any more" for reason in found.removed.values())
    for reason, times in reasons.most_common():
        console.print(escape(f"  {times:,} removed, {reason}"))
    for sign, ids in (("+", found.added), ("-", list(found.removed)), ("~", found.changed)):
        for id in ids[:SHOWN]:
            console.print(escape(f"{sign} {id}"))
        if len(ids) > SHOWN:
            console.print(f"{sign} and {len(ids) - SHOWN:,} more: --json has all")
