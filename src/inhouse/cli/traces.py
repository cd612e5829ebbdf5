"""`inhouse traces`: read what was asked and answered, roll it up by the day, erase it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, print_next, print_table
from inhouse.core.errors import BadInput
from inhouse.core.nouns import SHADOW, Feedback, Trace, TraceState

if TYPE_CHECKING:
    from inhouse.observe.wanted import Wanted
    from inhouse.project.project import Project

Said = Mapping[str, Sequence[Feedback]]

app = typer.Typer(
    name="traces",
    help="Read what was asked and answered; roll it up, erase it.",
    invoke_without_command=True,
)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
COLUMNS = ("at", "id", "who", "endpoint", "state", "took", "cost", "feedback", "asked")
THUMBS = {1: "good", -1: "bad"}
ASKED_LETTERS = 60
SHOWN_DIGITS = 8


Since = Annotated[
    str,
    typer.Option(
        "--since", help="An age such as 30m, 1h or 7d, or a day or time; UTC without an offset."
    ),
]
AtEndpoint = Annotated[str, typer.Option("--endpoint", help="At which endpoint.")]
Asker = Annotated[
    str, typer.Option("--actor", "-a", help="Who asked. [default: you, or all for an auditor]")
]
Last = Annotated[int, typer.Option("--last", min=1, max=10_000, help="At most how many.")]


@app.callback()
def traces(
    context: typer.Context,
    since: Since = "",
    endpoint: AtEndpoint = "",
    actor: Asker = "",
    state: Annotated[TraceState | None, typer.Option("--state", help="How it ended.")] = None,
    contains: Annotated[
        str, typer.Option("--contains", help="With this text in question or answer.")
    ] = "",
    feedback: Annotated[
        Literal["good", "bad"] | None,
        typer.Option("--feedback", help="What was said about the answer."),
    ] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Only what shadows answered, with what was shown.")
    ] = False,
    last: Last = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new ones until Ctrl-C.")
    ] = False,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Read what was asked and answered: your own requests, or everybody's as an auditor."""
    if context.invoked_subcommand:
        return
    from inhouse.observe.wanted import Wanted

    wanted = Wanted(
        since=moment(since),
        endpoint=path_of(endpoint),
        actor=actor,
        state=state,
        contains=contains,
        feedback=feedback,
        shadow=shadow,
    )
    if follow and feedback:
        raise BadInput(
            "What has just been answered has no feedback yet.", "Leave out --follow or --feedback."
        )
    with opened(project) as house:
        if follow:
            _follow(house, wanted, last, as_json=as_json)
        elif shadow:
            _list_pairs(house, wanted, last, as_json=as_json)
        else:
            _list(house, wanted, last, as_json=as_json)


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="The id of a request, or how it begins.")],
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Show the whole of one request."""
    from inhouse.project import recording

    with opened(project) as house:
        reader, them = house.catalog.access.actor(house.actor_name), recording.traces(house)
        trace = them.get(reader, id)
        said = them.feedback_on(reader, [trace])
    facts = _plain(trace, said)
    if as_json:
        print_json(facts)
        return
    messages, answer = messages_of(trace), facts.pop("answer")
    facts["request"] = {k: v for k, v in trace.request.items() if k != "messages"}
    facts["at"] = clock(trace.at)
    for name in ("sections", "sources"):
        facts[name] = "\n".join(facts[name])
    facts["feedback"] = "\n".join(
        f"{each.actor}: {THUMBS[each.score]} {each.correction}".rstrip()
        for each in said.get(trace.id, ())
    )
    print_table(("", ""), [(k, v) for k, v in facts.items() if v not in ("", None, {}, 0)])
    for role, said in [*messages, ("answer", answer)]:
        console.print(f"\n[dim]{escape(role)}[/]")
        console.print(escape(said))


@app.command()
def roll(project: ProjectFile = FILE, as_json: AsJson = False) -> None:
    """Make an artifact of each day that is over, and delete those kept long enough.

    To be run once a day. How long they are kept stands in inhouse.yaml: traces: {keep: 90d}.
    """
    from inhouse.project import recording

    with opened(project) as house:
        done = recording.roll_traces(house)
    if as_json:
        print_json(
            {
                "rolled": [{"ref": a.ref.path, "traces": a.summary["traces"]} for a in done.made],
                "deleted": [a.ref.path for a in done.deleted],
                "waiting": list(done.waiting),
            }
        )
        return
    for artifact in done.made:
        console.print(f"{artifact.ref}  {artifact.summary['traces']:,} traces")
    for artifact in done.deleted:
        console.print(f"{artifact.ref}  deleted: kept long enough")
    for day in done.waiting:
        console.print(f"traces/{day}  not yet: a server still writes it")
    if not (done.made or done.deleted or done.waiting):
        console.print("There is nothing to roll up.")


@app.command()
def erase(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of requests, whole.")] = None,
    actor: Annotated[str, typer.Option("--actor", "-a", help="Whose requests, all of them.")] = "",
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Take requests out of everything recorded, so that no byte of them stays in the store.

    Your own, or anybody's as an auditor.
    """
    from inhouse.project import recording

    with opened(project) as house:
        count = recording.erase_traces(house, actor=actor, ids=ids or ())
    if as_json:
        print_json({"erased": count})
        return
    console.print(f"{count:,} traces erased. That they were stays in the audit log.")


def _list(house: Project, wanted: Wanted, last: int, *, as_json: bool) -> None:
    from inhouse.project import recording

    reader, them = house.catalog.access.actor(house.actor_name), recording.traces(house)
    page = them.find(reader, wanted, last=last)
    said = them.feedback_on(reader, page.traces)
    _print(list(reversed(page.traces)), said, page.hidden, as_json=as_json)
    if not as_json:
        print_next("inhouse traces show ID")


def _follow(house: Project, wanted: Wanted, last: int, *, as_json: bool) -> None:
    from inhouse.project import recording

    reader, them = house.catalog.access.actor(house.actor_name), recording.traces(house)
    page = them.find(reader, wanted, last=last)
    if not as_json:
        said = them.feedback_on(reader, page.traces)
        _print(list(reversed(page.traces)), said, page.hidden, as_json=False)
    for trace in them.follow(reader, wanted):
        _print_one(trace, as_json=as_json)


def _print(found: list[Trace], said: Said, hidden: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"traces": [_plain(trace, said) for trace in found], "hidden": hidden})
        return
    rows = [_row(trace, said) for trace in found]
    # Columns in which nothing stands tell nothing.
    empty = {"cost", "feedback"} - {
        name for row in rows for name, cell in zip(COLUMNS, row, strict=True) if cell
    }
    shown = [i for i, name in enumerate(COLUMNS) if name not in empty]
    print_table([COLUMNS[i] for i in shown], [[r[i] for i in shown] for r in rows], spare="asked")
    print_hidden(hidden)


def print_hidden(count: int) -> None:
    """Print how many of their own somebody may not read, if there are any."""
    if count:
        console.print(f"{count:,} more of your own you may not read now.")


def _list_pairs(house: Project, wanted: Wanted, last: int, *, as_json: bool) -> None:
    """Print each answer that was shown, and below it that of its shadow."""
    from inhouse.observe.pairs import pairs
    from inhouse.project import recording

    reader, them = house.catalog.access.actor(house.actor_name), recording.traces(house)
    found = pairs(them, reader, wanted, last=last)
    both = list(reversed(found.pairs))
    if as_json:
        from inhouse.observe.rows import plain

        listed = [
            {"shown": plain(pair.shown) if pair.shown else None, "shadow": plain(pair.shadow)}
            for pair in both
        ]
        print_json({"pairs": listed, "hidden": found.hidden})
        return
    rows = [_row_of_pair(t) for pair in both for t in (pair.shown, pair.shadow) if t]
    print_table((*COLUMNS[:6], "answered"), rows, spare="answered")
    print_next("inhouse traces show ID")


def _row_of_pair(trace: Trace) -> tuple[str, ...]:
    at, id, who, endpoint, state, took, *_ = _row(trace, {})
    version = (trace.endpoint.version or "")[:SHOWN_DIGITS] if trace.endpoint else ""
    said = _short(trace.answer or trace.error)
    return at, id, who, f"{endpoint}@{version}", state, took, said


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= ASKED_LETTERS else f"{words[:ASKED_LETTERS]}…"


def _print_one(trace: Trace, *, as_json: bool) -> None:
    if as_json:
        import orjson

        print(orjson.dumps(_plain(trace, {})).decode(), flush=True)
        return
    console.print(escape("  ".join(filter(None, _row(trace, {})))))


def _plain(trace: Trace, said: Said) -> dict[str, Any]:
    from inhouse.observe.rows import plain

    return plain(trace) | {"feedback": [asdict(each) for each in said.get(trace.id, ())]}


def _row(trace: Trace, said: Said) -> tuple[str, ...]:
    messages = messages_of(trace)
    thumbs = {THUMBS[each.score]: None for each in said.get(trace.id, ())}
    return (
        clock(trace.at),
        _id(trace),
        trace.actor,
        trace.endpoint.name if trace.endpoint else trace.route,
        trace.state,
        "" if trace.seconds is None else f"{trace.seconds:.2f} s",
        "" if trace.cost is None else f"{trace.cost:.6f} {trace.price}",
        ", ".join(thumbs),
        _short(messages[-1][1]) if messages else "",
    )


def _id(trace: Trace) -> str:
    """Return as much of an id as tells it apart, of a shadow's with the word before it."""
    bare = trace.id.removeprefix(SHADOW)
    return trace.id[: len(trace.id) - len(bare) + SHOWN_DIGITS]


def messages_of(trace: Trace) -> list[tuple[str, str]]:
    """Return who said what in a conversation that was asked to go on."""
    found: list[Any] = trace.request.get("messages", [])
    if query := trace.request.get("query"):  # of a search or a rerank
        found = [{"role": "query", "content": query}]
    return [(str(m.get("role", "")), str(m.get("content", ""))) for m in found]


def path_of(endpoint: str) -> str:
    """Return the reference of an endpoint that is called with its section or without; "" is any."""
    return f"endpoints/{endpoint.removeprefix('endpoints/')}" if endpoint else ""


def moment(text: str) -> float:
    """Return what an age or a time means, in seconds since 1970.

    Raises:
        BadInput: it is none.
    """
    if not text:
        return 0.0
    if age := re.fullmatch(r"(\d{1,9})([smhd])", text):
        return time.time() - int(age[1]) * SECONDS[age[2]]
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        raise BadInput(
            f"{text!r} is no time.", "Write an age such as 30m, 1h or 7d, or 2026-11-21."
        ) from None


def clock(seconds: float) -> str:
    """Return a time as people read it, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
