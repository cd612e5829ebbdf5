"""`inhouse feedback`: what people said about answers, with the question and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_next
from inhouse.cli.traces import (
    SHOWN_DIGITS,
    THUMBS,
    Asker,
    AtEndpoint,
    Last,
    Since,
    clock,
    messages_of,
    moment,
    path_of,
    print_hidden,
)

if TYPE_CHECKING:
    from inhouse.core.nouns import Feedback, Trace


def feedback(
    since: Since = "",
    endpoint: AtEndpoint = "",
    actor: Asker = "",
    score: Annotated[
        Literal["good", "bad"] | None, typer.Option("--score", help="Only what was called so.")
    ] = None,
    last: Last = 50,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write it to a file, as preferences to learn from.")
    ] = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Read what was said about answers: by you, or by everybody as an auditor."""
    from inhouse.observe.wanted import Wanted
    from inhouse.project import recording

    wanted = Wanted(
        since=moment(since),
        endpoint=path_of(endpoint),
        actor=actor,
        feedback=score or "any",
    )
    with opened(project) as house:
        reader, them = house.catalog.access.actor(house.actor_name), recording.traces(house)
        page = them.find(reader, wanted, last=last)
        found = them.feedback_on(reader, page.traces)
    said = {
        id: [one for one in each if score in (None, THUMBS[one.score])]
        for id, each in found.items()
    }
    if to is not None:
        _write(to, page.traces, said, as_json=as_json)
        return
    rows = [
        _plain(trace, each) for trace in reversed(page.traces) for each in said.get(trace.id, ())
    ]
    if as_json:
        print_json({"feedback": rows, "hidden": page.hidden})
        return
    for row in rows:
        _print(row)
    if not rows:
        console.print("Nobody has said anything yet.")
    print_hidden(page.hidden)
    print_next("inhouse traces show ID")


def _write(
    to: Path, traces: Sequence[Trace], said: Mapping[str, Sequence[Feedback]], *, as_json: bool
) -> None:
    """Write what was said to a file, and tell how it becomes a data set."""
    from inhouse.observe.preferences import write_preferences

    written = write_preferences(to, traces, said)
    rows, label = written.rows, str(written.label)
    if as_json:
        print_json({"rows": rows, "label": label})
        return
    console.print(f"{rows} answers with a thumb to {to}, for those who may read: {label}")
    closed = "" if label == "open" else f', label: "{label}"'
    print_next(f"under data in inhouse.yaml:  NAME: {{from: {to}{closed}}}")


def _plain(trace: Trace, said: Feedback) -> dict[str, Any]:
    messages = messages_of(trace)
    return asdict(said) | {
        "asker": trace.actor,
        "endpoint": trace.endpoint.pinned if trace.endpoint else None,
        "model": trace.model,
        "label": str(trace.label),
        "question": messages[-1][1] if messages else "",
        "answer": trace.answer,
    }


def _print(row: dict[str, Any]) -> None:
    thumb = THUMBS[row["score"]]
    colour = "green" if thumb == "good" else "red"
    console.print(
        f"[{colour}]{thumb}[/]  [dim]{clock(row['at'])}  {row['trace'][:SHOWN_DIGITS]}  "
        f"{escape(row['actor'])}[/]"
    )
    for name in ("question", "answer", "correction"):
        if row[name]:
            said = escape(row[name]).replace("\n", "\n" + " " * 12)
            console.print(f"  [dim]{name:10}[/]{said}")
    console.print()
